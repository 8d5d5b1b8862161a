# backprop_generate(OUT_VAR ROOT FILE... [GRPC]): C++ from .proto files given relative to ROOT, into the build tree.
find_package(Protobuf REQUIRED)

# google/rpc/*.proto, which Debian packages with the gogo implementation of protobuf.
set(BACKPROP_GOOGLEAPIS /usr/share/gocode/src/github.com/gogo/googleapis CACHE PATH "Folder of google/rpc/*.proto")

set(BACKPROP_PROTO_OUT ${CMAKE_CURRENT_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${BACKPROP_PROTO_OUT})

function(backprop_generate out_var root)
  cmake_parse_arguments(ARG "GRPC" "" "" ${ARGN})
  set(sources)
  foreach(file IN LISTS ARG_UNPARSED_ARGUMENTS)
    string(REGEX REPLACE "\\.proto$" "" stem ${BACKPROP_PROTO_OUT}/${file})
    set(outputs ${stem}.pb.cc ${stem}.pb.h)
    set(flags --cpp_out=${BACKPROP_PROTO_OUT})
    if(ARG_GRPC)
      list(APPEND outputs ${stem}.grpc.pb.cc ${stem}.grpc.pb.h)
      list(APPEND flags --grpc_out=${BACKPROP_PROTO_OUT} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
    endif()
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND protobuf::protoc -I${PROJECT_SOURCE_DIR}/proto -I${BACKPROP_GOOGLEAPIS} ${flags} ${root}/${file}
      DEPENDS ${root}/${file}
      COMMENT "Generating C++ from ${file}"
      VERBATIM)
    list(APPEND sources ${outputs})
  endforeach()
  set(${out_var} ${sources} PARENT_SCOPE)
endfunction()
