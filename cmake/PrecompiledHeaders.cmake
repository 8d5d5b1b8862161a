# Most of what a file that speaks gRPC takes to compile are the headers of gRPC and of the generated code: they are
# compiled once for the server's side, whose libraries link the core, and once for the client's.

# The first target that uses them compiles them; `owner` names it for the others of its side.
function(backprop_precompile_rpc_headers target)
  if(ARGC GREATER 1)
    target_precompile_headers(${target} REUSE_FROM ${ARGV1})
    # As the owner was compiled, which is a library.
    target_compile_options(${target} PRIVATE -fPIC)
    return()
  endif()
  target_precompile_headers(${target} PRIVATE
    <grpcpp/grpcpp.h>
    <backprop/v1/derivative_service.grpc.pb.h>
    <backprop/v1/evaluation_service.grpc.pb.h>
    <backprop/v1/pattern_service.grpc.pb.h>
    <backprop/v1/prediction_service.grpc.pb.h>
    <backprop/v1/session_service.grpc.pb.h>
    <backprop/v1/training_service.grpc.pb.h>)
endfunction()
