#include "core/products.h"

namespace backprop {
namespace {

template <typename Product, typename Result>
void Store(const Product& product, Into into, Result* result) {
  if (into == Into::kAssign) {
    result->noalias() = product;
  } else {
    result->noalias() += product;
  }
}

}  // namespace

template <typename Scalar>
void MultiplyForward(const ConstWeights<Scalar>& w, const ConstColumns<Scalar>& h, Into into, Columns<Scalar> s) {
  Store(w * h, into, &s);
}

template <typename Scalar>
void MultiplyBack(const ConstWeights<Scalar>& w, const ConstColumns<Scalar>& d, Into into, Columns<Scalar> dh) {
  Store(w.transpose() * d, into, &dh);
}

template <typename Scalar>
void MultiplyOuter(const ConstColumns<Scalar>& d, const ConstColumns<Scalar>& h, Into into, Weights<Scalar> g) {
  Store(d * h.transpose(), into, &g);
}

template void MultiplyForward(const ConstWeights<float>&, const ConstColumns<float>&, Into, Columns<float>);
template void MultiplyForward(const ConstWeights<double>&, const ConstColumns<double>&, Into, Columns<double>);
template void MultiplyBack(const ConstWeights<float>&, const ConstColumns<float>&, Into, Columns<float>);
template void MultiplyBack(const ConstWeights<double>&, const ConstColumns<double>&, Into, Columns<double>);
template void MultiplyOuter(const ConstColumns<float>&, const ConstColumns<float>&, Into, Weights<float>);
template void MultiplyOuter(const ConstColumns<double>&, const ConstColumns<double>&, Into, Weights<double>);

}  // namespace backprop
