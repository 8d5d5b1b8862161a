// PatternService of pattern_service.proto, on the domain.
#pragma once

#include "backprop/v1/pattern_service.grpc.pb.h"
#include "server/services/service_context.h"

namespace backprop::server {

// Thread-safe. `context` outlives it.
class PatternServiceImpl final : public v1::PatternService::Service {
 public:
  using AppendStream = grpc::ServerReaderWriter<v1::AppendPatternsResponse, v1::AppendPatternsRequest>;

  explicit PatternServiceImpl(const ServiceContext& context) : context_(context) {}

  grpc::Status AppendPatterns(grpc::ServerContext*, AppendStream* stream) override;
  grpc::Status GetPatternSet(grpc::ServerContext*, const v1::GetPatternSetRequest*, v1::PatternSet*) override;
  grpc::Status ListPatternSets(grpc::ServerContext*, const v1::ListPatternSetsRequest*,
                               v1::ListPatternSetsResponse*) override;
  grpc::Status DeletePatternSet(grpc::ServerContext*, const v1::DeletePatternSetRequest*,
                                google::protobuf::Empty*) override;
  grpc::Status ReadPatterns(grpc::ServerContext*, const v1::ReadPatternsRequest*,
                            grpc::ServerWriter<v1::ReadPatternsResponse>* writer) override;

 private:
  const ServiceContext& context_;
};

}  // namespace backprop::server
