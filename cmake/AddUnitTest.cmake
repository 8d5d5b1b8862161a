# backprop_unit_test(NAME LIBRARY...): tests/<...>/NAME.cc as a GoogleTest program, registered with CTest as one test.
# BACKPROP_RPC_HEADERS_OF, where a directory sets it, is the library whose precompiled headers it uses.
function(backprop_unit_test name)
  add_executable(${name} ${name}.cc)
  target_link_libraries(${name} PRIVATE backprop_options ${ARGN} GTest::gmock_main)
  if(BACKPROP_RPC_HEADERS_OF)
    backprop_precompile_rpc_headers(${name} ${BACKPROP_RPC_HEADERS_OF})
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()
