#include "bench/child_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace backprop::bench {
namespace {

// In the child. Only calls that are allowed between fork and exec.
[[noreturn]] void Exec(char* const* arguments, int output, int log) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  dup2(output, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

// Up to the first line's end, or all there is.
std::string ReadLine(int descriptor) {
  std::string line;
  for (char byte = 0; read(descriptor, &byte, 1) == 1 && byte != '\n';) line += byte;
  return line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildServer>> ChildServer::Start(const std::vector<std::string>& command,
                                                                const std::string& log_path) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  int ends[2];
  const int log = open(log_path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0 || pipe2(ends, O_CLOEXEC) != 0) return absl::UnavailableError(absl::StrCat("cannot write ", log_path));
  const pid_t pid = fork();
  if (pid == 0) Exec(arguments.data(), ends[1], log);
  close(ends[1]);
  close(log);
  if (pid < 0) {
    close(ends[0]);
    return absl::ResourceExhaustedError("cannot start another process");
  }
  std::unique_ptr<ChildServer> server(new ChildServer(pid));
  const std::string line = ReadLine(ends[0]);
  close(ends[0]);
  const size_t space = line.rfind(' ');
  if (space == std::string::npos) {
    return absl::UnavailableError(absl::StrCat(command.front(), " did not start; ", log_path, " may say why"));
  }
  server->address_ = line.substr(space + 1);
  return server;
}

ChildServer::~ChildServer() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

}  // namespace backprop::bench
