// PatternService of pattern_service.proto, on the domain.
#pragma once

#include "backprop/v1/pattern_service.grpc.pb.h"
#include "server/services/service_context.h"

namespace backprop::server {

// Thread-safe. `context` outlives it.
class PatternServiceImpl final : public v1::PatternService::Service {
 public:
  // Of AppendPatternsRequests as they were received.
  using AppendStream = grpc::ServerReaderWriter<v1::AppendPatternsResponse, grpc::ByteBuffer>;

  explicit PatternServiceImpl(const ServiceContext& context);

  grpc::Status GetPatternSet(grpc::ServerContext*, const v1::GetPatternSetRequest*, v1::PatternSet*) override;
  grpc::Status ListPatternSets(grpc::ServerContext*, const v1::ListPatternSetsRequest*,
                               v1::ListPatternSetsResponse*) override;
  grpc::Status DeletePatternSet(grpc::ServerContext*, const v1::DeletePatternSetRequest*,
                                google::protobuf::Empty*) override;
  grpc::Status ReadPatterns(grpc::ServerContext*, const v1::ReadPatternsRequest*,
                            grpc::ServerWriter<v1::ReadPatternsResponse>* writer) override;

 private:
  // AppendPatterns.
  grpc::Status Append(grpc::ServerContext*, AppendStream* stream);

  const ServiceContext& context_;
};

}  // namespace backprop::server
