#include "tests/client/fake_pattern_server.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace backprop::client {
namespace {

google::rpc::Status Error(grpc::StatusCode code, const std::string& message) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  return status;
}

}  // namespace

std::vector<float> FakePatternStore::stored() const {
  absl::MutexLock lock(&mutex_);
  return stored_;
}

std::vector<int64_t> FakePatternStore::checksums() const {
  absl::MutexLock lock(&mutex_);
  return checksums_;
}

int FakePatternStore::message_count() const {
  absl::MutexLock lock(&mutex_);
  return message_count_;
}

int FakePatternStore::max_unanswered() const {
  absl::MutexLock lock(&mutex_);
  return max_unanswered_;
}

void FakePatternStore::WaitForMessages(int count) const {
  const auto enough = [this, count] { return message_count_ >= count; };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&enough));
}

void FakePatternStore::SetFate(int message, Fate fate) {
  absl::MutexLock lock(&mutex_);
  fates_[message] = fate;
}

void FakePatternStore::HoldAnswers(bool hold) {
  absl::MutexLock lock(&mutex_);
  answers_held_ = hold;
}

void FakePatternStore::Truncate(size_t pattern_count) {
  absl::MutexLock lock(&mutex_);
  stored_.resize(pattern_count);
}

google::rpc::Status FakePatternStore::Append(const v1::AppendPatternsRequest& request) {
  const auto& values = request.patterns().inputs().values();
  const auto offset = static_cast<size_t>(request.offset());
  if (offset > stored_.size()) return Error(grpc::StatusCode::OUT_OF_RANGE, "offset beyond the end");
  if (offset < stored_.size()) {
    const bool same = offset + static_cast<size_t>(values.size()) <= stored_.size() &&
                      std::equal(values.begin(), values.end(), stored_.begin() + static_cast<ptrdiff_t>(offset));
    return same ? Error(grpc::StatusCode::ALREADY_EXISTS, "already stored")
                : Error(grpc::StatusCode::FAILED_PRECONDITION, "other patterns are stored there");
  }
  stored_.insert(stored_.end(), values.begin(), values.end());
  checksums_.push_back(request.crc32());
  return {};
}

bool FakePatternStore::Take(const v1::AppendPatternsRequest& request, std::deque<v1::AppendPatternsResponse>& answers) {
  absl::MutexLock lock(&mutex_);
  const auto fate = fates_.find(message_count_++);
  const auto is = [&](Fate wanted) { return fate != fates_.end() && fate->second == wanted; };
  if (is(Fate::kDropBeforeStoring)) return false;
  v1::AppendPatternsResponse answer;
  answer.set_offset(request.offset());
  if (is(Fate::kRefuse)) {
    *answer.mutable_status() = Error(grpc::StatusCode::INVALID_ARGUMENT, "refused as told");
  } else if (is(Fate::kRefuseUnavailable)) {
    *answer.mutable_status() = Error(grpc::StatusCode::UNAVAILABLE, "shutting down");
  } else {
    *answer.mutable_status() = Append(request);
  }
  answer.set_next_offset(static_cast<int64_t>(stored_.size()));
  if (is(Fate::kDropBeforeAnswering)) return false;
  answers.push_back(answer);
  max_unanswered_ = std::max(max_unanswered_, static_cast<int>(answers.size()));
  return true;
}

std::optional<v1::AppendPatternsResponse> FakePatternStore::NextAnswer(std::deque<v1::AppendPatternsResponse>& answers,
                                                                       const bool& done) {
  const auto ready = [&] { return done || (!answers_held_ && !answers.empty()); };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&ready));
  if (answers.empty() || answers_held_) return std::nullopt;
  v1::AppendPatternsResponse answer = answers.front();
  answers.pop_front();
  return answer;
}

grpc::Status FakePatternService::AppendPatterns(
    grpc::ServerContext*, grpc::ServerReaderWriter<v1::AppendPatternsResponse, v1::AppendPatternsRequest>* stream) {
  // Messages are read as fast as they come, whether answers are held or not.
  std::deque<v1::AppendPatternsResponse> answers;
  bool done = false;
  std::thread answering([&] {
    while (const auto answer = store_.NextAnswer(answers, done)) stream->Write(*answer);
  });
  bool taken = true;
  for (v1::AppendPatternsRequest request; taken && stream->Read(&request);) taken = store_.Take(request, answers);
  {
    absl::MutexLock lock(&store_.mutex_);
    done = true;
  }
  answering.join();
  return taken ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAVAILABLE, "dropped as told");
}

grpc::Status FakePatternService::GetPatternSet(grpc::ServerContext*, const v1::GetPatternSetRequest* request,
                                               v1::PatternSet* response) {
  absl::MutexLock lock(&store_.mutex_);
  if (store_.stored_.empty()) return {grpc::StatusCode::NOT_FOUND, "no such set"};
  response->set_name(request->name());
  response->set_pattern_count(static_cast<int64_t>(store_.stored_.size()));
  return grpc::Status::OK;
}

grpc::Status FakePatternService::ListPatternSets(grpc::ServerContext*, const v1::ListPatternSetsRequest* request,
                                                 v1::ListPatternSetsResponse* response) {
  absl::MutexLock lock(&store_.mutex_);
  if (!store_.stored_.empty()) response->add_pattern_sets()->set_name(request->session() + "/patternSets/training");
  return grpc::Status::OK;
}

FakeServer::FakeServer(FakePatternStore& store, int port, std::vector<grpc::Service*> others) : service_(store) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port), grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(&service_);
  for (grpc::Service* other : others) builder.RegisterService(other);
  server_ = builder.BuildAndStart();
}

FakeServer::~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

std::string FakeServer::address() const { return "127.0.0.1:" + std::to_string(port_); }

}  // namespace backprop::client
