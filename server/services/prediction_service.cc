#include "server/services/prediction_service.h"

#include <type_traits>
#include <utility>

#include "core/batch_computation.h"
#include "server/services/computation_source.h"
#include "server/services/limits.h"
#include "server/services/matrix_codec.h"
#include "server/services/prediction_uncertainty.h"
#include "server/services/received_message.h"

namespace backprop::server {
namespace {

// The classes that `outputs` [output unit x pattern] stand for, and their names.
template <typename Scalar>
void EncodeClasses(const NetworkSpec& spec, const Matrix<Scalar>& outputs, v1::PredictResponse* response) {
  if (spec.task() == Task::kRegression) return;
  for (Eigen::Index t = 0; t < outputs.cols(); ++t) {
    if (spec.task() == Task::kMultiwayClassification) {
      response->add_classes(static_cast<int32_t>(ClassOf<Scalar>(outputs.col(t))));
      continue;
    }
    for (Eigen::Index i = 0; i < outputs.rows(); ++i) response->add_classes(BinaryClassOf(outputs(i, t)));
  }
  const std::vector<std::string>& names = spec.fields().output_names;
  const size_t class_count =
      spec.task() == Task::kMultiwayClassification ? static_cast<size_t>(spec.output_unit_count()) : 2;
  if (names.size() != class_count || (spec.task() == Task::kBinaryClassification && spec.output_unit_count() != 1))
    return;
  for (const int32_t index : response->classes()) response->add_class_names(names[static_cast<size_t>(index)]);
}

// Most bytes that one pattern takes in an answer: outputs, classes (an int32 below 2^21) and the names of classes.
template <typename Scalar>
int64_t AnswerBytesPerPattern(const NetworkSpec& spec) {
  const int64_t units = spec.output_unit_count();
  const int64_t outputs = units * int64_t{sizeof(Scalar)};
  if (spec.task() == Task::kRegression) return outputs;
  const int64_t classes = spec.task() == Task::kBinaryClassification ? units : 3;
  const bool named = !spec.fields().output_names.empty();
  return outputs + classes + (named ? static_cast<int64_t>(kMaxOutputNameBytes) + 3 : 0);
}

// What is wrong with a request whatever its session.
template <typename Request>
Violations ViolationsOfRequest(const Request& request) {
  Violations violations;
  if constexpr (std::is_same_v<Request, v1::PredictRequest>) CheckUncertainty(request, &violations);
  if (!request.has_inputs()) violations.Add("inputs", "must be given");
  return violations;
}

template <typename Scalar, typename Request>
absl::Status PredictFor(const Session<Scalar>& session, const Request& request, int64_t server_work_limit,
                        const StopCheck& stopped, v1::PredictResponse* response) {
  constexpr bool kUnary = std::is_same_v<Request, v1::PredictRequest>;
  const NetworkSpec spec = session.spec();
  Violations violations = ViolationsOfRequest(request);
  if (!violations.empty()) return violations.ToStatus();
  const int64_t unit_count = int64_t{spec.input_unit_count()} + spec.output_unit_count();
  if (!CheckDecodedBytes<Scalar>(request.inputs().row_count(), unit_count, "inputs", &violations)) {
    return violations.ToStatus();
  }
  MemoryCharge charge(session.budget());
  if (absl::Status status = ChargeForPatterns<Scalar>(request.inputs().row_count(), spec, &charge); !status.ok()) {
    return status;
  }
  const MatrixShape shape{.max_row_count = kMaxPatternsPerBatch, .column_count = spec.input_unit_count()};
  const Matrix<Scalar> inputs = DecodeMatrix<Scalar>(request.inputs(), shape, "inputs", &violations);
  if (!violations.empty()) return violations.ToStatus();
  int64_t answer_bytes = inputs.cols() * AnswerBytesPerPattern<Scalar>(spec);
  if constexpr (kUnary) {
    if (request.with_uncertainty()) answer_bytes += inputs.cols() * spec.output_unit_count() * int64_t{sizeof(Scalar)};
  }
  if (absl::Status status = CheckAnswerBytes(answer_bytes, "the outputs"); !status.ok()) return status;
  const auto snapshot = session.model_versions().Get(ModelVersionOf(request));
  if (!snapshot.ok()) return snapshot.status();
  if constexpr (kUnary) {
    // First: it may be refused by its price.
    if (request.with_uncertainty()) {
      if (absl::Status status =
              AddUncertainty(session, request, **snapshot, inputs, server_work_limit, stopped, response);
          !status.ok()) {
        return status;
      }
    }
  }
  const Matrix<Scalar> outputs = Predict<Scalar>(spec, (*snapshot)->scalings, (*snapshot)->parameters, inputs, stopped);
  if (stopped()) return CallerGone();
  if (!outputs.allFinite()) {
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_FINITE",
                 "an output is not finite in the network's precision; check the inputs' scale (FitScaling)");
  }
  EncodePatternMatrix(outputs, response->mutable_outputs());
  EncodeClasses(spec, outputs, response);
  response->set_model_version((*snapshot)->model_version);
  return absl::OkStatus();
}

// Answers a PredictRequest or a PredictStreamRequest for the session that `session_name` names.
template <typename Request>
absl::Status Answer(const ServiceContext& context, const std::string& session_name, const Request& request,
                    const StopCheck& stopped, v1::PredictResponse* response) {
  return WithSession(
      context, session_name, "session",
      [&](const auto& session) { return PredictFor(*session, request, context.work_limit, stopped, response); },
      ViolationsOfRequest(request));
}

}  // namespace

PredictionServiceImpl::PredictionServiceImpl(const ServiceContext& context) : context_(context) {
  MarkMethodStreamed(
      MethodIndex("backprop.v1.PredictionService.PredictStream"),
      new grpc::internal::BidiStreamingHandler<PredictionServiceImpl, grpc::ByteBuffer, v1::PredictResponse>(
          &PredictionServiceImpl::PredictEach, this));
}

grpc::Status PredictionServiceImpl::Predict(grpc::ServerContext* call, const v1::PredictRequest* request,
                                            v1::PredictResponse* response) {
  StreamSlots::Slot slot;
  if (request->with_uncertainty()) {  // It may last as long as a stream.
    absl::StatusOr<StreamSlots::Slot> taken = context_.streams->Take(call);
    if (!taken.ok()) return ToGrpcStatus(taken.status());
    slot = *std::move(taken);
  }
  return ToGrpcStatus(Answer(context_, request->session(), *request, StopWhenCancelled(call), response));
}

grpc::Status PredictionServiceImpl::PredictEach(grpc::ServerContext* call, Stream* stream) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->TakeStream(call);
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  std::string session;
  v1::PredictStreamRequest request;
  for (absl::Status decoded; ReadMessage(stream, &request, &decoded);) {
    const StreamSlots::Work work(*slot);
    if (!decoded.ok()) return ToGrpcStatus(decoded);
    if (!request.session().empty()) session = request.session();
    v1::PredictResponse response;
    if (absl::Status status = Answer(context_, session, request, StopWhenCancelled(call), &response); !status.ok()) {
      return ToGrpcStatus(status);
    }
    if (!stream->Write(response)) break;
  }
  return grpc::Status::OK;
}

}  // namespace backprop::server
