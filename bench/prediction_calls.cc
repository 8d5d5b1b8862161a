#include "bench/prediction_calls.h"

#include <algorithm>
#include <latch>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/pattern_load.h"
#include "bench/stopwatch.h"

namespace backprop::bench {
namespace {

constexpr int kWarmUpCalls = 20;

struct Caller {
  absl::Status status;
  std::vector<double> seconds;  // Of each call.
};

void Call(const client::Client& client, const v1::PredictRequest& request, double seconds, std::latch* warm,
          Caller* caller) {
  for (int i = 0; i < kWarmUpCalls; ++i) caller->status.Update(client.Predict(request).status());
  warm->arrive_and_wait();
  const Stopwatch watch;
  while (caller->status.ok() && watch.seconds() < seconds) {
    const Stopwatch call;
    caller->status = client.Predict(request).status();
    caller->seconds.push_back(call.seconds());
  }
}

}  // namespace

absl::StatusOr<CallTimes> MeasurePredictCalls(const std::string& address, const std::string& session_id,
                                              int caller_count, double seconds) {
  v1::PredictRequest request;
  request.set_session(absl::StrCat("sessions/", session_id));
  *request.mutable_inputs() = RandomPatterns(1).inputs();
  std::vector<Caller> callers(static_cast<size_t>(caller_count));
  std::latch warm(caller_count + 1);
  std::vector<std::jthread> threads;
  for (Caller& caller : callers) {
    threads.emplace_back([&, to = &caller] { Call(client::Client(address), request, seconds, &warm, to); });
  }
  warm.arrive_and_wait();
  const Stopwatch watch;
  threads.clear();
  const double elapsed = watch.seconds();
  std::vector<double> times;
  for (const Caller& caller : callers) {
    if (!caller.status.ok()) return caller.status;
    times.insert(times.end(), caller.seconds.begin(), caller.seconds.end());
  }
  std::sort(times.begin(), times.end());
  return CallTimes{.calls_per_second = static_cast<double>(times.size()) / elapsed,
                   .p50 = times[times.size() / 2],
                   .p99 = times[times.size() * 99 / 100]};
}

}  // namespace backprop::bench
