#include "server/services/prediction_uncertainty.h"

#include <cmath>

#include "core/hessian.h"
#include "core/laplace_posterior.h"
#include "server/services/matrix_codec.h"

namespace backprop::server {
namespace {

constexpr char kDefaultPosteriorSet[] = "training";
constexpr double kDefaultPriorPrecision = 1;

}  // namespace

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

template <typename Scalar>
absl::Status AddUncertainty(const Session<Scalar>& session, const v1::PredictRequest& request,
                            const Snapshot<Scalar>& snapshot, const Matrix<Scalar>& inputs, int64_t server_work_limit,
                            const StopCheck& stopped, v1::PredictResponse* response) {
  const NetworkSpec spec = session.spec();
  if (spec.parameter_count() > kMaxHessianParameters) {
    return WithMetadata(Error(absl::StatusCode::kResourceExhausted, "HESSIAN_LIMIT",
                              absl::StrCat("the network has ", spec.parameter_count(),
                                           " parameters, and with_uncertainty takes at most ", kMaxHessianParameters)),
                        "limit", kMaxHessianParameters);
  }
  const v1::LaplaceApproximation& laplace = request.laplace_approximation();
  absl::StatusOr<PatternSequence<Scalar>> stored =
      session.pattern_sets().Get(laplace.pattern_set().empty() ? kDefaultPosteriorSet : laplace.pattern_set());
  if (!stored.ok()) return stored.status();
  const ComputationSource<Scalar> source = SourceOfSet(*std::move(stored));
  const DerivativePrice price = LaplacePosterior::Price(spec, source.pattern_count, inputs.cols());
  MemoryCharge charge(session.budget());
  // And the inputs in double.
  const int64_t answer_bytes =
      inputs.cols() * (2 * spec.output_unit_count() + spec.input_unit_count()) * int64_t{sizeof(double)};
  const WorkLimit limit{.server = server_work_limit, .request = request.work_limit()};
  if (absl::Status status = Afford(price, answer_bytes, limit, "the uncertainty", &charge); !status.ok()) return status;
  const DerivativeTask<Scalar> task{spec, snapshot.scalings, snapshot.parameters, source.pattern_count,
                                    source.patterns};
  const double prior_precision = laplace.prior_precision() == 0 ? kDefaultPriorPrecision : laplace.prior_precision();
  const auto posterior = LaplacePosterior::Fit(task, prior_precision, SequentialFor, stopped);
  if (!ViolationsOf(posterior.status()).empty()) {
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

template absl::Status AddUncertainty(const Session<float>&, const v1::PredictRequest&, const Snapshot<float>&,
                                     const Matrix<float>&, int64_t, const StopCheck&, v1::PredictResponse*);
template absl::Status AddUncertainty(const Session<double>&, const v1::PredictRequest&, const Snapshot<double>&,
                                     const Matrix<double>&, int64_t, const StopCheck&, v1::PredictResponse*);

}  // namespace backprop::server
