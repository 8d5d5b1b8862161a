#include "server/services/prediction_service.h"

#include <cmath>
#include <type_traits>

#include "core/batch_computation.h"
#include "core/hessian.h"
#include "core/laplace_posterior.h"
#include "server/services/computation_source.h"
#include "server/services/derivative_call.h"
#include "server/services/limits.h"
#include "server/services/matrix_codec.h"

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

constexpr char kDefaultPosteriorSet[] = "training";
constexpr double kDefaultPriorPrecision = 1;

// Violations of what a request says of uncertainty.
void CheckUncertainty(const v1::PredictRequest& request, Violations* violations) {
  if (request.work_limit() < 0) {
    violations->Add("work_limit", absl::StrCat("must be 0 or more, but is ", request.work_limit()));
  }
  const v1::LaplaceApproximation& laplace = request.laplace_approximation();
  if (!std::isfinite(laplace.prior_precision()) || laplace.prior_precision() < 0) {
    violations->Add("laplace_approximation.prior_precision",
                    absl::StrCat("must be finite and above 0, or 0 for ", kDefaultPriorPrecision, ", but is ",
                                 laplace.prior_precision()));
  }
  if (laplace.pattern_set().empty()) return;
  violations->AddAll("laplace_approximation", ValidateId(laplace.pattern_set(), "pattern_set"));
}

// The standard deviations of the outputs for `inputs`, which come of the uncertainty of the parameters.
template <typename Scalar>
absl::Status AddUncertainty(const Session<Scalar>& session, const NetworkSpec& spec, const v1::PredictRequest& request,
                            const Snapshot<Scalar>& snapshot, const Matrix<Scalar>& inputs, int64_t server_work_limit,
                            const StopCheck& stopped, v1::PredictResponse* response) {
  if (spec.parameter_count() > kMaxHessianParameters) {
    return Error(absl::StatusCode::kResourceExhausted, "HESSIAN_LIMIT",
                 absl::StrCat("the network has ", spec.parameter_count(),
                              " parameters, and with_uncertainty takes at most ", kMaxHessianParameters));
  }
  const v1::LaplaceApproximation& laplace = request.laplace_approximation();
  absl::StatusOr<PatternSequence<Scalar>> stored =
      session.pattern_sets().Get(laplace.pattern_set().empty() ? kDefaultPosteriorSet : laplace.pattern_set());
  if (!stored.ok()) return stored.status();
  const ComputationSource<Scalar> source = SourceOfSet(*std::move(stored));
  const DerivativePrice price = LaplacePosterior::Price(spec, source.pattern_count, inputs.cols());
  MemoryCharge charge(session.budget());
  const int64_t answer_bytes = 2 * inputs.cols() * spec.output_unit_count() * int64_t{sizeof(double)};
  const WorkLimit limit{.server = server_work_limit, .request = request.work_limit()};
  if (absl::Status status = Afford(price, answer_bytes, limit, "the uncertainty", &charge); !status.ok()) return status;
  const DerivativeTask<Scalar> task{spec, snapshot.scalings, snapshot.parameters, source.pattern_count,
                                    source.patterns};
  const double prior_precision = laplace.prior_precision() == 0 ? kDefaultPriorPrecision : laplace.prior_precision();
  const auto posterior = LaplacePosterior::Fit(task, prior_precision, SequentialFor, stopped);
  if (posterior.status().code() == absl::StatusCode::kInvalidArgument) {
    Violations violations;
    violations.AddAll("laplace_approximation", posterior.status());
    return violations.ToStatus();
  }
  if (!posterior.ok()) return posterior.status();
  const Matrix<double> variances = posterior->OutputVariances(inputs.template cast<double>(), stopped);
  if (stopped()) return CallerGone();
  const Matrix<Scalar> deviations = variances.cwiseSqrt().template cast<Scalar>();
  if (!deviations.allFinite()) return NotFinite("a standard deviation");
  EncodePatternMatrix(deviations, response->mutable_standard_deviations());
  return absl::OkStatus();
}

template <typename Scalar, typename Request>
absl::Status PredictFor(const Session<Scalar>& session, const Request& request, int64_t server_work_limit,
                        const StopCheck& stopped, v1::PredictResponse* response) {
  constexpr bool kUnary = std::is_same_v<Request, v1::PredictRequest>;
  const NetworkSpec spec = session.spec();
  Violations violations;
  if constexpr (kUnary) CheckUncertainty(request, &violations);
  if (!request.has_inputs()) violations.Add("inputs", "must be given");
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
  const Matrix<Scalar> outputs = Predict<Scalar>(spec, (*snapshot)->scalings, (*snapshot)->parameters, inputs, stopped);
  if (stopped()) return CallerGone();
  if (!outputs.allFinite()) {
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_FINITE",
                 "an output is not finite in the network's precision; check the inputs' scale (FitScaling)");
  }
  EncodePatternMatrix(outputs, response->mutable_outputs());
  EncodeClasses(spec, outputs, response);
  response->set_model_version((*snapshot)->model_version);
  if constexpr (kUnary) {
    if (request.with_uncertainty()) {
      return AddUncertainty(session, spec, request, **snapshot, inputs, server_work_limit, stopped, response);
    }
  }
  return absl::OkStatus();
}

// Answers a PredictRequest or a PredictStreamRequest for the session that `session_name` names.
template <typename Request>
absl::Status Answer(const ServiceContext& context, const std::string& session_name, const Request& request,
                    const StopCheck& stopped, v1::PredictResponse* response) {
  return WithSession(context, session_name, "session", [&](const auto& session) {
    return PredictFor(*session, request, context.work_limit, stopped, response);
  });
}

}  // namespace

grpc::Status PredictionServiceImpl::Predict(grpc::ServerContext* call, const v1::PredictRequest* request,
                                            v1::PredictResponse* response) {
  return ToGrpcStatus(Answer(context_, request->session(), *request, StopWhenCancelled(call), response));
}

grpc::Status PredictionServiceImpl::PredictStream(grpc::ServerContext* call, Stream* stream) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take();
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  std::string session;
  v1::PredictStreamRequest request;
  while (stream->Read(&request)) {
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
