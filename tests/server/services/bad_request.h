// The table of bad requests: its rows, and the world in which they are sent.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/services/test_server.h"

namespace backprop::server {

// A request and how it must be refused. `requests` are messages in protobuf's text format; a stream may take several.
// Of a stream whose answers carry a status, the first answer must be the refusal, and the stream must go on.
struct BadRequest {
  std::string name;
  std::string method;  // "GetSession"
  std::vector<std::string> requests;
  grpc::StatusCode code;
  std::string reason;
  std::vector<std::string> fields = {};  // All that BadRequest must name.
};

// Messages in text: one, or several of a stream.
struct Requests {
  Requests(std::vector<std::string> several) : texts(std::move(several)) {}
  Requests(std::string one) : texts({std::move(one)}) {}
  Requests(const char* one) : texts({one}) {}
  std::vector<std::string> texts;
};

// Refused with INVALID_ARGUMENT naming `fields`.
inline BadRequest Invalid(std::string method, std::string name, Requests requests, std::vector<std::string> fields) {
  return {std::move(name),  std::move(method), std::move(requests.texts), grpc::StatusCode::INVALID_ARGUMENT,
          "INVALID_FIELDS", std::move(fields)};
}

// Refused for another reason.
inline BadRequest Refused(std::string method, std::string name, Requests requests, grpc::StatusCode code,
                          std::string reason) {
  return {std::move(name), std::move(method), std::move(requests.texts), code, std::move(reason)};
}

inline void PrintTo(const BadRequest& bad, std::ostream* out) { *out << bad.name; }

// Short codes for the tables.
inline constexpr auto kNotFound = grpc::StatusCode::NOT_FOUND;
inline constexpr auto kPrecondition = grpc::StatusCode::FAILED_PRECONDITION;
inline constexpr auto kExists = grpc::StatusCode::ALREADY_EXISTS;
inline constexpr auto kExhausted = grpc::StatusCode::RESOURCE_EXHAUSTED;
inline constexpr auto kOutOfRange = grpc::StatusCode::OUT_OF_RANGE;

// A server with three sessions, `r` (regression, FLOAT64), `b` (binary) and `m` (multiway), all of 2 inputs, 2 hidden
// and 3, 1 or 3 output units. Each has a set `training` of 2 patterns, request id `used` for another request, and a
// training run `run-1` that has ended. Shared by the rows of a table: none of them may change anything.
class BadRequestTest : public testing::TestWithParam<BadRequest> {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  // Sends the row, and checks the refusal, that nothing has changed, and that a good call still works.
  static void RefuseAndChangeNothing(const std::string& service, const BadRequest& bad);

  static std::unique_ptr<TestServer> server_;
};

// Names the test of a row.
std::string NameOfRow(const testing::TestParamInfo<BadRequest>& row);

// Methods of `service` that no row calls.
std::vector<std::string> MethodsWithoutRow(const std::string& service, const std::vector<BadRequest>& rows);

}  // namespace backprop::server
