#include "bench/python_peers.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace backprop::bench {

absl::StatusOr<std::unique_ptr<PythonPeers>> PythonPeers::Start(const std::string& script) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ResourceExhaustedError("cannot make a pair of sockets");
  }
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(ends[1], STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    execl("/usr/bin/python3", "python3", script.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return absl::ResourceExhaustedError("cannot start another process");
  }
  return std::unique_ptr<PythonPeers>(new PythonPeers(pid, ends[0]));
}

PythonPeers::~PythonPeers() {
  close(socket_);
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

absl::StatusOr<PythonPeers::Answer> PythonPeers::Measure(const std::string& kind, const TrainingShape& shape,
                                                         int thread_count, double seconds) {
  const std::string question = absl::StrCat(kind, " ", absl::StrJoin(shape.layers, ","), " ", shape.batch_size, " ",
                                            thread_count, " ", seconds, "\n");
  send(socket_, question.data(), question.size(), MSG_NOSIGNAL);  // Its failure is the end that is read next.
  std::string line;
  char byte = 0;
  while (recv(socket_, &byte, 1, 0) == 1 && byte != '\n') line += byte;
  const size_t space = line.find(' ');
  Answer answer;
  if (space == std::string::npos || !absl::SimpleAtod(line.substr(0, space), &answer.patterns_per_second)) {
    return absl::UnavailableError(absl::StrCat("python_peers.py, asked `", kind, "`: ", line.empty() ? "ended" : line));
  }
  answer.setting = line.substr(space + 1);
  return answer;
}

}  // namespace backprop::bench
