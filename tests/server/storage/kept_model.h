// What a store is to hold after some changes, kept in the plainest way: the oracle of the tests of stores.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/sessions/session_store.h"

namespace backprop::server {

template <typename Scalar>
struct KeptModel {
  std::optional<KeptSession<Scalar>> kept;
  std::map<int64_t, Patterns<Scalar>> patterns;  // By key of their set; none for sets without patterns.

  void Apply(const SessionChange<Scalar>& change);
};

// What a store gave back: `kept` and all patterns of its log.
template <typename Scalar>
absl::StatusOr<KeptModel<Scalar>> ReadAll(OpenedSession<Scalar> opened);

// Everything, bit for bit, as text: equal texts are equal states.
template <typename Scalar>
std::string TextOf(const KeptModel<Scalar>& model);

}  // namespace backprop::server
