// The bytes of records, from and to the values of the domain. Decoding takes any bytes: it throws cereal::Exception or
// StorageException for those that are no valid value, and allocates no more than a small multiple of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/sessions/session_store.h"
#include "server/storage/byte_archive.h"
#include "server/storage/value_archive.h"

namespace backprop::server {

// A value of value_archive.h.
template <typename Value>
std::string Encode(const Value& value) {
  ByteWriter writer;
  writer(value);
  return writer.bytes();
}
template <typename Value>
Value Decode(std::string_view data) {
  ByteReader reader(data);
  Value value;
  reader(value);
  reader.CheckAtEnd();
  return value;
}

// All but the id.
std::string EncodeDescription(const SessionDescription& description);
SessionDescription DecodeDescription(std::string_view data, std::string id);

// Borrows the vector's bytes.
template <typename Scalar>
std::string_view BytesOfVector(const Vector<Scalar>& vector) {
  return {reinterpret_cast<const char*>(vector.data()), static_cast<size_t>(vector.size()) * sizeof(Scalar)};
}
// [parameter_count]; other sizes are thrown out.
template <typename Scalar>
Vector<Scalar> DecodeVector(std::string_view data, const NetworkSpec& spec);

// The options and step count of a learner; its optimizer's vectors are records of their own.
template <typename Scalar>
std::string EncodeLearner(const OnlineLearner<Scalar>& learner);
template <typename Scalar>
OnlineLearner<Scalar> DecodeLearner(std::string_view data, Vector<Scalar> first, Vector<Scalar> second);

// All of the state but its vectors.
template <typename Scalar>
std::string EncodeTrainerState(const TrainerState<Scalar>& state);
template <typename Scalar>
TrainerState<Scalar> DecodeTrainerState(std::string_view data, const NetworkSpec& spec);

// Throws where the optimizer of `options` could not go on with `optimizer`.
template <typename Scalar>
void CheckOptimizer(const TrainingOptions& options, const OptimizerState<Scalar>& optimizer);

// Throws what is no OK status as bytes that are no valid value.
void CheckValid(const absl::Status& status);

// Bytes of one pattern with its targets and weight.
template <typename Scalar>
int64_t BytesPerPattern(const NetworkSpec& spec) {
  return (int64_t{spec.input_unit_count()} + spec.output_unit_count() + 1) * int64_t{sizeof(Scalar)};
}
// Patterns of a record of table `patterns`, at least one.
template <typename Scalar>
Patterns<Scalar> DecodePatterns(std::string_view data, const NetworkSpec& spec);

}  // namespace backprop::server
