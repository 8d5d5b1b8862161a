// DerivativeService.ComputeHessianVectorProduct and StreamHessianVectorProduct.
#include <cmath>
#include <vector>

#include "core/hessian_vector_product.h"
#include "server/services/derivative_call.h"
#include "server/services/derivative_service.h"
#include "server/services/matrix_codec.h"
#include "server/services/parameters_codec.h"

namespace backprop::server {
namespace {

// Directions of one request, of all kinds; quoted in derivative_service.proto.
constexpr int64_t kMaxDirections = 256;

// The products with the directions of a request.
template <typename Scalar>
struct Products {
  Products(const NetworkSpec& spec, MemoryBudget* budget) : charge(budget), computation(spec) {}

  MemoryCharge charge;
  std::vector<Parameters<Scalar>> directions;
  int first_random = 0;  // Index of the first that was drawn.
  HessianVectorComputation<Scalar> computation;

  int count() const { return static_cast<int>(directions.size()); }
};

int64_t RandomCount(const v1::ComputeHessianVectorProductRequest& request) {
  return request.random_directions().count();
}

// True when so many directions may be asked for.
bool CheckDirectionCount(const v1::ComputeHessianVectorProductRequest& request, Violations* violations) {
  const int64_t count = request.directions_size() + (request.gradient_direction() ? 1 : 0) + RandomCount(request);
  if (RandomCount(request) < 0 || RandomCount(request) > kMaxDirections) {
    violations->Add("random_directions.count",
                    absl::StrCat("must be from 0 to ", kMaxDirections, ", but is ", RandomCount(request)));
    return false;
  }
  if (count >= 1 && count <= kMaxDirections) return true;
  violations->Add("directions", absl::StrCat("must be from 1 to ", kMaxDirections,
                                             " with gradient_direction and random_directions, but are ", count));
  return false;
}

template <typename Scalar>
absl::Status DecodeDirections(const v1::ComputeHessianVectorProductRequest& request, const NetworkSpec& spec,
                              Products<Scalar>* products, Violations* violations) {
  if (!CheckDirectionCount(request, violations)) return absl::OkStatus();
  for (int i = 0; i < request.directions_size(); ++i) {
    const v1::Parameters& direction = request.directions(i);
    if (absl::Status status = ChargeForDirection<Scalar>(direction, spec, &products->charge); !status.ok()) {
      return status;
    }
    products->directions.push_back(
        DecodeParameters<Scalar>(direction, spec, absl::StrCat("directions[", i, "]"), violations));
  }
  return absl::OkStatus();
}

// What it takes beside the directions given.
template <typename Scalar>
absl::Status AffordProducts(const v1::ComputeHessianVectorProductRequest& request, const DerivativeCall<Scalar>& call,
                            Curvature curvature, int64_t answer_bytes, Products<Scalar>* products) {
  const int64_t made = RandomCount(request) + (request.gradient_direction() ? 1 : 0);
  const int count = static_cast<int>(products->directions.size() + static_cast<size_t>(made));
  using Computation = HessianVectorComputation<Scalar>;
  DerivativePrice price = Computation::Price(call.spec, call.source.pattern_count, count, curvature);
  if (request.gradient_direction()) {
    const DerivativePrice gradient = Computation::Price(call.spec, call.source.pattern_count, 0, curvature);
    price.multiply_adds = SaturatingSum(price.multiply_adds, gradient.multiply_adds);
  }
  answer_bytes += made * call.spec.parameter_count() * int64_t{sizeof(Scalar)};
  return Afford(price, answer_bytes, call.work_limit, "the Hessian-vector products", &products->charge);
}

template <typename Scalar>
absl::Status AddMadeDirections(const v1::ComputeHessianVectorProductRequest& request,
                               const DerivativeCall<Scalar>& call, Products<Scalar>* products) {
  if (request.gradient_direction()) {
    absl::StatusOr<Parameters<Scalar>> gradient = GradientDirection(call);
    if (!gradient.ok()) return gradient.status();
    products->directions.push_back(*std::move(gradient));
  }
  products->first_random = products->count();
  for (int64_t i = 0; i < RandomCount(request); ++i) {
    products->directions.push_back(RandomDirection<Scalar>(call.spec, request.random_directions().seed(), i));
  }
  return absl::OkStatus();
}

template <typename Scalar>
bool IsFinite(const Products<Scalar>& products) {
  bool finite = std::isfinite(products.computation.measures().log_likelihood) &&
                products.computation.gradient().flat().allFinite();
  for (int i = 0; i < products.count(); ++i) finite = finite && products.computation.product(i).flat().allFinite();
  return finite;
}

// Computes what `request` asks for and hands it to `answer`, called with the call and its products. `check_answer` says
// whether so many Parameters may be answered, and how many bytes they take while they are.
template <typename Scalar, typename CheckAnswer, typename Answer>
absl::Status ComputeFor(const Session<Scalar>& session, const v1::ComputeHessianVectorProductRequest& request,
                        int64_t work_limit, const StopCheck& stopped, CheckAnswer check_answer, Answer answer) {
  const NetworkSpec spec = session.spec();
  Violations violations;
  const Curvature curvature = DecodeCurvature(request.curvature(), &violations);
  Products<Scalar> products(spec, session.budget());
  if (absl::Status status = DecodeDirections(request, spec, &products, &violations); !status.ok()) return status;
  const auto call = StartCall(session, spec, request, work_limit, stopped, &violations);
  if (!call.ok()) return call.status();
  const int64_t vectors =
      1 + request.directions_size() + (request.gradient_direction() ? 1 : 0) + 2 * RandomCount(request);
  const absl::StatusOr<int64_t> answer_bytes = check_answer(vectors * ParametersMessageBytes<Scalar>(spec));
  if (!answer_bytes.ok()) return answer_bytes.status();
  if (absl::Status status = AffordProducts(request, *call, curvature, *answer_bytes, &products); !status.ok()) {
    return status;
  }
  if (absl::Status status = AddMadeDirections(request, *call, &products); !status.ok()) return status;
  if (!products.computation.Run(call->task(), products.directions, curvature, SequentialFor, stopped)) {
    return CallerGone();
  }
  if (!IsFinite(products)) return NotFinite("the log likelihood, the gradient or a product");
  return answer(*call, products);
}

template <typename Scalar>
absl::Status Encode(const DerivativeCall<Scalar>& call, const Products<Scalar>& products,
                    v1::ComputeHessianVectorProductResponse* response) {
  const int64_t version = call.snapshot->model_version;
  for (int i = 0; i < products.count(); ++i) {
    EncodeParameters(products.computation.product(i), version, response->add_products());
  }
  EncodeParameters(products.computation.gradient(), version, response->mutable_gradient());
  for (int i = products.first_random; i < products.count(); ++i) {
    EncodeParameters(products.directions[i], version, response->add_random_directions());
  }
  response->set_log_likelihood(products.computation.measures().log_likelihood);
  response->set_pattern_count(call.source.pattern_count);
  response->set_model_version(version);
  return absl::OkStatus();
}

// Sends the vectors layer by layer.
template <typename Scalar>
class LayerWriter {
 public:
  using Response = v1::StreamHessianVectorProductResponse;

  LayerWriter(const DerivativeCall<Scalar>& call, double log_likelihood, grpc::ServerWriter<Response>* writer)
      : writer_(writer) {
    common_.set_log_likelihood(log_likelihood);
    common_.set_pattern_count(call.source.pattern_count);
    common_.set_model_version(call.snapshot->model_version);
  }

  absl::Status Write(Response::Vector vector, int index, const Parameters<Scalar>& parameters) {
    for (int layer = 1; layer <= parameters.layer_count(); ++layer) {
      Response response = common_;
      response.set_vector(vector);
      response.set_index(index);
      response.set_layer(layer - 1);
      EncodeLayerParameters(parameters, layer, response.mutable_parameters());
      if (!writer_->Write(response)) return CallerGone();
    }
    return absl::OkStatus();
  }

 private:
  grpc::ServerWriter<Response>* const writer_;
  Response common_;
};

template <typename Scalar>
absl::Status Send(const DerivativeCall<Scalar>& call, const Products<Scalar>& products,
                  grpc::ServerWriter<v1::StreamHessianVectorProductResponse>* to) {
  using Response = v1::StreamHessianVectorProductResponse;
  LayerWriter<Scalar> writer(call, products.computation.measures().log_likelihood, to);
  absl::Status status = writer.Write(Response::VECTOR_GRADIENT, 0, products.computation.gradient());
  for (int i = 0; status.ok() && i < products.count(); ++i) {
    status = writer.Write(Response::VECTOR_PRODUCT, i, products.computation.product(i));
  }
  for (int i = products.first_random; status.ok() && i < products.count(); ++i) {
    status = writer.Write(Response::VECTOR_RANDOM_DIRECTION, i - products.first_random, products.directions[i]);
  }
  return status;
}

}  // namespace

grpc::Status DerivativeServiceImpl::ComputeHessianVectorProduct(grpc::ServerContext* call,
                                                                const v1::ComputeHessianVectorProductRequest* request,
                                                                v1::ComputeHessianVectorProductResponse* response) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take(call);  // It may last as long as a stream.
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  const auto check_answer = [](int64_t bytes) -> absl::StatusOr<int64_t> {
    absl::Status status = CheckAnswerBytes(bytes, "the products", "ask for StreamHessianVectorProduct");
    if (!status.ok()) return status;
    return bytes;
  };
  const auto answer = [&](const auto& derivative_call, const auto& products) {
    return Encode(derivative_call, products, response);
  };
  return ToGrpcStatus(WithSession(
      context_, request->session(), "session",
      [&](const auto& session) {
        return ComputeFor(*session, *request, context_.work_limit, StopWhenCancelled(call), check_answer, answer);
      },
      ViolationsApartFromSession(*request)));
}

grpc::Status DerivativeServiceImpl::StreamHessianVectorProduct(
    grpc::ServerContext* call, const v1::StreamHessianVectorProductRequest* request,
    grpc::ServerWriter<v1::StreamHessianVectorProductResponse>* writer) {
  const absl::StatusOr<StreamSlots::Slot> slot = context_.streams->Take(call);
  if (!slot.ok()) return ToGrpcStatus(slot.status());
  // A layer at a time, of which gRPC holds one more.
  const auto check_answer = [](int64_t bytes) -> absl::StatusOr<int64_t> { return std::min(bytes, kMaxMessageBytes); };
  const auto answer = [&](const auto& derivative_call, const auto& products) {
    return Send(derivative_call, products, writer);
  };
  absl::Status status = WithSession(
      context_, request->request().session(), "session",
      [&](const auto& session) {
        return ComputeFor(*session, request->request(), context_.work_limit, StopWhenCancelled(call), check_answer,
                          answer);
      },
      ViolationsApartFromSession(request->request()));
  if (!ViolationsOf(status).empty()) {
    Violations violations;
    violations.AddAll("request", status);
    status = violations.ToStatus();
  }
  return ToGrpcStatus(status);
}

}  // namespace backprop::server
