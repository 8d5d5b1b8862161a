// DerivativeService.ComputeDirectionalDerivatives.
#include <optional>
#include <vector>

#include "core/directional_derivatives.h"
#include "core/hessian_vector_product.h"
#include "server/services/derivative_call.h"
#include "server/services/derivative_service.h"
#include "server/services/matrix_codec.h"
#include "server/services/parameters_codec.h"

namespace backprop::server {
namespace {

using Request = v1::ComputeDirectionalDerivativesRequest;

// The direction of a request, v and u; what is not asked for is left out.
template <typename Scalar>
struct Direction {
  std::optional<Parameters<Scalar>> parameters;
  std::optional<Vector<Scalar>> inputs;
};

// What of the direction stands in `request` itself.
template <typename Scalar>
absl::Status DecodeDirection(const Request& request, const NetworkSpec& spec, MemoryCharge* charge,
                             Direction<Scalar>* direction, Violations* violations) {
  const bool some = request.has_direction() || request.gradient_direction() || request.has_random_direction_seed() ||
                    request.has_input_direction();
  if (!some)
    violations->Add("direction", "must be given, or gradient_direction, random_direction_seed, input_direction");
  if (request.has_direction()) {
    if (absl::Status status = ChargeForDirection<Scalar>(request.direction(), spec, charge); !status.ok()) {
      return status;
    }
    direction->parameters = DecodeParameters<Scalar>(request.direction(), spec, "direction", violations);
  }
  if (request.has_input_direction()) {
    const MatrixShape shape{.row_count = 1, .column_count = spec.input_unit_count()};
    const auto inputs = DecodeMatrix<Scalar>(request.input_direction(), shape, "input_direction", violations);
    if (inputs.size() > 0) direction->inputs = inputs;
  }
  if (request.order() < 0 || request.order() > kMaxDerivativeOrder) {
    violations->Add("order", absl::StrCat("must be from 0 to ", kMaxDerivativeOrder, ", but is ", request.order()));
  }
  return absl::OkStatus();
}

template <typename Scalar>
absl::Status ComputeFor(const Session<Scalar>& session, const Request& request, int64_t work_limit,
                        const StopCheck& stopped, v1::ComputeDirectionalDerivativesResponse* response) {
  const NetworkSpec spec = session.spec();
  Violations violations;
  MemoryCharge charge(session.budget());
  Direction<Scalar> direction;
  if (absl::Status status = DecodeDirection(request, spec, &charge, &direction, &violations); !status.ok()) {
    return status;
  }
  const auto call = StartCall(session, spec, request, work_limit, stopped, &violations);
  if (!call.ok()) return call.status();
  const int64_t patterns = call->source.pattern_count;
  DerivativePrice price = DirectionalDerivativesPrice(spec, patterns, request.order());
  if (request.gradient_direction()) {
    const auto gradient = HessianVectorComputation<Scalar>::Price(spec, patterns, 0, Curvature::kHessian);
    price.multiply_adds = SaturatingSum(price.multiply_adds, gradient.multiply_adds);
    price.workspace_bytes = SaturatingSum(price.workspace_bytes, gradient.workspace_bytes);
  }
  const int64_t direction_bytes = spec.parameter_count() * int64_t{sizeof(Scalar)};
  if (absl::Status status = Afford(price, direction_bytes, call->work_limit, "the directional derivatives", &charge);
      !status.ok()) {
    return status;
  }
  if (request.gradient_direction()) {
    absl::StatusOr<Parameters<Scalar>> gradient = GradientDirection(*call);
    if (!gradient.ok()) return gradient.status();
    direction.parameters = *std::move(gradient);
  } else if (request.has_random_direction_seed()) {
    direction.parameters = RandomDirection<Scalar>(spec, request.random_direction_seed(), 0);
  }
  const Line<Scalar> line{.parameters = direction.parameters ? &*direction.parameters : nullptr,
                          .inputs = direction.inputs ? &*direction.inputs : nullptr};
  const auto derivatives = DirectionalDerivatives(call->task(), line, request.order(), SequentialFor, stopped);
  if (!derivatives) return CallerGone();
  const Eigen::Map<const Vector<double>> values(derivatives->data(), std::ssize(*derivatives));
  if (!values.allFinite()) return NotFinite("a derivative");
  response->mutable_derivatives()->Assign(derivatives->begin(), derivatives->end());
  response->set_pattern_count(patterns);
  response->set_model_version(call->snapshot->model_version);
  return absl::OkStatus();
}

}  // namespace

grpc::Status DerivativeServiceImpl::ComputeDirectionalDerivatives(grpc::ServerContext* call, const Request* request,
                                                                  v1::ComputeDirectionalDerivativesResponse* response) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take(call);  // It may last as long as a stream.
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  return ToGrpcStatus(WithSession(
      context_, request->session(), "session",
      [&](const auto& session) {
        return ComputeFor(*session, *request, context_.work_limit, StopWhenCancelled(call), response);
      },
      ViolationsApartFromSession(*request)));
}

}  // namespace backprop::server
