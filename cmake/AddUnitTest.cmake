# backprop_unit_test(NAME LIBRARY...): tests/<...>/NAME.cc as a GoogleTest program, registered with CTest as one test.
function(backprop_unit_test name)
  add_executable(${name} ${name}.cc)
  target_link_libraries(${name} PRIVATE backprop_options ${ARGN} GTest::gmock_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()
