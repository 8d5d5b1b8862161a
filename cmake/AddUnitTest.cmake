# GoogleTest programs, registered with CTest. A test NAME is tests/<...>/NAME.cc.
# BACKPROP_RPC_HEADERS_OF, where a directory sets it, is the library whose precompiled headers they use.
set(BACKPROP_UNIT_TEST_TIMEOUT 300)

# backprop_unit_test(NAME LIBRARY...): a program of its own.
function(backprop_unit_test name)
  backprop_test_program(${name} ${BACKPROP_UNIT_TEST_TIMEOUT} SOURCES ${name} LIBRARIES ${ARGN})
endfunction()

# backprop_unit_tests(PROGRAM TESTS NAME... LIBRARIES LIBRARY...): a program each, or, with BACKPROP_UNITY, one program of
# them all: what a test takes to build is mostly its headers and its link, and so both are done once for many.
function(backprop_unit_tests program)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "TESTS;LIBRARIES")
  if(NOT BACKPROP_UNITY)
    foreach(name ${arg_TESTS})
      backprop_unit_test(${name} ${arg_LIBRARIES})
    endforeach()
    return()
  endif()
  backprop_test_program(${program} 1200 SOURCES ${arg_TESTS} LIBRARIES ${arg_LIBRARIES})
  backprop_unity(${program})
endfunction()

function(backprop_test_program program timeout)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SOURCES;LIBRARIES")
  list(TRANSFORM arg_SOURCES APPEND .cc)
  add_executable(${program} ${arg_SOURCES})
  target_link_libraries(${program} PRIVATE backprop_options ${arg_LIBRARIES} GTest::gmock_main)
  if(BACKPROP_RPC_HEADERS_OF)
    backprop_precompile_rpc_headers(${program} ${BACKPROP_RPC_HEADERS_OF})
  endif()
  add_test(NAME ${program} COMMAND ${program})
  set_tests_properties(${program} PROPERTIES TIMEOUT ${timeout})
endfunction()
