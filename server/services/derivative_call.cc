#include "server/services/derivative_call.h"

#include "absl/strings/str_cat.h"

namespace backprop::server {

Curvature DecodeCurvature(v1::Curvature wire, Violations* violations) {
  switch (wire) {
    case v1::CURVATURE_UNSPECIFIED:
    case v1::CURVATURE_HESSIAN:
      return Curvature::kHessian;
    case v1::CURVATURE_GAUSS_NEWTON:
      return Curvature::kGaussNewton;
    default:
      violations->Add("curvature", "must be CURVATURE_HESSIAN or CURVATURE_GAUSS_NEWTON, or left out for HESSIAN");
      return Curvature::kHessian;
  }
}

absl::Status NotFinite(absl::string_view what) {
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_FINITE",
               absl::StrCat(what,
                            " is not finite in the network's precision; scale the inputs (FitScaling), give other "
                            "parameters (SetParameters), or take PRECISION_FLOAT64 if the session has FLOAT32"));
}

absl::Status Afford(const DerivativePrice& price, int64_t answer_bytes, const WorkLimit& limit, absl::string_view what,
                    MemoryCharge* charge) {
  const bool above_request = limit.request > 0 && price.multiply_adds > limit.request;
  if (above_request || price.multiply_adds > limit.server) {
    const std::string most =
        above_request ? absl::StrCat("the request's work_limit is ", limit.request)
                      : absl::StrCat("the server allows ", limit.server,
                                     " (--work-limit, in 10^9); take fewer patterns or directions at a time");
    return WithMetadata(Error(absl::StatusCode::kResourceExhausted, "WORK_LIMIT",
                              absl::StrCat(what, " would take ", price.multiply_adds, " multiply-adds, and ", most)),
                        "limit", above_request ? limit.request : limit.server);
  }
  return charge->Grow(SaturatingSum(price.workspace_bytes, answer_bytes), what);
}

}  // namespace backprop::server
