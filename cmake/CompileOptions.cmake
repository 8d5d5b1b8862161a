# One interface target carries what all our code is compiled with; generated code takes none of it.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(backprop_options INTERFACE)
target_compile_options(backprop_options INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Werror)
target_include_directories(backprop_options INTERFACE ${PROJECT_SOURCE_DIR})

# A build from nothing reads the headers once for eight files instead of once a file: the twenty of server/services, all
# in one, took 19 s instead of 80. Who changes a file (preset `dev`) compiles that file alone.
option(BACKPROP_UNITY "Compile the files of a library together" OFF)
function(backprop_unity target)
  if(BACKPROP_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    # g++ tells files from headers by what it was given to compile, and so takes our files for headers.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# binutils' gold links the many test programs in half the time of its bfd.
include(CheckLinkerFlag)
check_linker_flag(CXX -fuse-ld=gold BACKPROP_HAS_GOLD)
if(BACKPROP_HAS_GOLD)
  add_link_options(-fuse-ld=gold)
endif()

# `address,undefined` or `thread`: everything is instrumented, generated code too.
set(BACKPROP_SANITIZE "" CACHE STRING "Value of -fsanitize")
if(BACKPROP_SANITIZE)
  add_compile_options(-fsanitize=${BACKPROP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BACKPROP_SANITIZE})
endif()
