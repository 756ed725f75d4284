#include "process_attempt.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "process_resources.h"
#include "text_line.h"

namespace headrace::collect {

namespace {

constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;
constexpr int kTemporaryFailure = 75;  // EX_TEMPFAIL of sysexits.h
constexpr double kCancelGrace_s = 0.1;
constexpr double kKillPatience_s = 1;

bool missing(int error) {
  return error == ENOENT || error == ENOTDIR;
}

std::string name_of_pipe(int fd) {
  struct stat status{};
  ::fstat(fd, &status);
  return "pipe:[" + std::to_string(status.st_ino) + "]";
}

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// The status of a child that even SIGKILL does not end (it hangs in the kernel) is taken whenever that is
// over.
void reap_later(UniqueFd pidfd) {
  std::thread([fd = std::move(pidfd)] {
    siginfo_t info;
    ::waitid(P_PIDFD, static_cast<id_t>(fd.get()), &info, WEXITED);
  }).detach();
}

}  // namespace

ProcessAttempt::~ProcessAttempt() {
  if (out_) close_output(out_);
  if (err_) close_output(err_);
  shared_.trees().forget(*this);
  if (child_.pid < 0 || reaped_) return;
  if (exit_watched_) reactor_.loop.unwatch(child_.pidfd.get());
  shared_.killer().signal({tree_}, SIGKILL);
  pollfd exit{child_.pidfd.get(), POLLIN, 0};
  ::poll(&exit, 1, static_cast<int>(kKillPatience_s * 1000));
  if (!reap()) reap_later(std::move(child_.pidfd));
}

void ProcessAttempt::start() {
  const std::string program = shared_.program(command_.front());
  if (program.empty()) return report_unstarted(ENOENT);
  const UniqueFd output = open_output(out_);
  const UniqueFd errors = open_output(err_);
  int error = launch(program, output.get(), errors.get());
  if (missing(error)) {
    const std::string& found = shared_.program_anew(command_.front());
    if (!found.empty() && found != program) error = launch(found, output.get(), errors.get());
  }
  if (error != 0) report_unstarted(error);
}

UniqueFd ProcessAttempt::open_output(UniqueFd& reading) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_no_resource("cannot open a pipe", errno);
  UniqueFd writing = above_standard(ends[1]);
  reading = above_standard(ends[0]);
  if (!writing || !reading) throw_no_resource("cannot open a pipe", errno);
  ::fcntl(reading.get(), F_SETFL, O_NONBLOCK);
  reactor_.loop.watch(reading.get(), EPOLLIN, this);
  return writing;
}

int ProcessAttempt::launch(const std::string& program, int output, int errors) {
  UniqueFd memory;
  tree_.mark = shared_.next_mark();
  std::string entry = tree_.mark.empty() ? "" : std::string(kMarkVariable) + "=" + tree_.mark;
  std::vector<char*> environment = shared_.environment(entry);
  std::vector<char*> words;
  for (const std::string& word : command_) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const std::string& cwd = shared_.options().cwd;
  SpawnRequest request{program.c_str(), words.data(), environment.data(),
                       cwd.empty() ? nullptr : cwd.c_str()};
  request.input = shared_.input(memory);
  request.output = output;
  request.errors = errors;
  child_ = shared_.spawner().spawn(request);
  if (child_.error == EAGAIN || child_.error == ENOMEM || child_.error == EMFILE || child_.error == ENFILE) {
    throw_no_resource("cannot start a process", child_.error);
  }
  tree_.pid = child_.pid;
  return child_.error;
}

void ProcessAttempt::report_unstarted(int error) {
  outcome.exit_code = missing(error) ? kNotFound : kNotExecutable;
  const std::string& name = command_.front();
  const bool in_path = name.find('/') == std::string::npos;
  if (missing(error) && in_path) {
    outcome.fail(ErrorType::kExit, "program '" + name + "' not found in PATH; install it or give its path");
  } else {
    outcome.fail(ErrorType::kExit, "cannot execute '" + name + "': " + std::strerror(error));
  }
  finish();
}

void ProcessAttempt::on_ready(int fd, uint32_t events) {
  if (done()) return;
  if (fd == out_.get()) {
    read_output(out_, outcome.std_out);
  } else if (fd == err_.get()) {
    read_output(err_, outcome.std_err);
  } else {
    exited();
  }
}

void ProcessAttempt::read_output(UniqueFd& from, std::string& into) {
  const ssize_t count = ::read(from.get(), reactor_.buffer.data(), reactor_.buffer.size());
  if (count > 0) {
    if (terminated_ || keep(into, reactor_.buffer.data(), static_cast<size_t>(count))) return;
    const auto limit = std::to_string(shared_.options().max_output);
    outcome.fail(ErrorType::kOutputLimit,
                 "more than " + limit + " bytes of output; raise max_output or ask for less");
    terminate(shared_.options().grace);
  } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    close_output(from);
    output_ended();
  }
}

bool ProcessAttempt::keep(std::string& into, const char* data, size_t size) {
  const auto kept = outcome.std_out.size() + outcome.std_err.size();
  const auto room = static_cast<size_t>(shared_.options().max_output) - kept;
  into.append(data, std::min(size, room));
  return size <= room;
}

void ProcessAttempt::close_output(UniqueFd& from) {
  reactor_.loop.unwatch(from.get());
  from.reset();
}

void ProcessAttempt::watch_exit() {
  if (exit_watched_ || exited_) return;
  reactor_.loop.watch(child_.pidfd.get(), EPOLLIN, this);
  exit_watched_ = true;
}

// Most processes have ended when their output has: asking at once spares the descriptor its watch.
void ProcessAttempt::output_ended() {
  if (outputs_open()) return;
  if (terminated_ || !reap()) {
    if (terminated_ && exited_) return exited();
    return watch_exit();
  }
  conclude();
}

void ProcessAttempt::exited() {
  if (exit_watched_) reactor_.loop.unwatch(child_.pidfd.get());
  exit_watched_ = false;
  exited_ = true;
  // The answer is whole only at the end of the output; descendants that were told to end get their time.
  if (killed_ || (!outputs_open() && !terminated_)) return conclude();
  if (!outputs_open()) shared_.trees().ask(tree_, *this);
}

void ProcessAttempt::tree_ended() {
  if (!done()) conclude();
}

void ProcessAttempt::stop(StopReason reason) {
  const double timeout = shared_.options().timeout;
  if (reason == StopReason::kTimeout) {
    outcome.fail(ErrorType::kTimeout, "not finished after " + seconds_text(timeout) + "; raise timeout",
                 true);
    terminate(shared_.options().grace);
  } else {
    outcome.fail(ErrorType::kCancelled, "cancelled while it was running");
    terminate(std::min(shared_.options().grace, kCancelGrace_s));
  }
}

void ProcessAttempt::terminate(double grace_s) {
  begin_stopping();
  terminated_ = true;
  for (const UniqueFd* output : {&out_, &err_}) {
    if (*output) tree_.outputs.push_back(name_of_pipe(output->get()));
  }
  shared_.trees().signal(tree_, SIGTERM);
  watch_exit();
  arm(after(grace_s));
}

void ProcessAttempt::on_alarm() {
  if (killed_) return abandon();
  shared_.trees().signal(tree_, SIGKILL);
  killed_ = true;
  if (exited_) return shared_.trees().finish(*this);  // its number is its own until the signal is sent
  arm(after(kKillPatience_s));
}

void ProcessAttempt::conclude() {
  if (!reaped_) reap();
  finish();
}

// False: it has not ended yet.
bool ProcessAttempt::reap() {
  siginfo_t info{};
  int result;
  do {
    result = ::waitid(P_PIDFD, static_cast<id_t>(child_.pidfd.get()), &info, WEXITED | WNOHANG);
  } while (result != 0 && errno == EINTR);
  if (result == 0 && info.si_pid == 0) return false;
  reaped_ = true;
  if (result == 0) {
    report_exit(info.si_code, info.si_status);
  } else if (outcome.error_type == ErrorType::kNone) {
    outcome.fail(ErrorType::kProtocol,
                 "its exit status was taken by other code of this process (SIGCHLD is ignored, or somebody "
                 "waits for all children)");
  }
  return true;
}

void ProcessAttempt::report_exit(int code, int status) {
  outcome.exit_code = code == CLD_EXITED ? status : -status;
  if (outcome.error_type != ErrorType::kNone) return;
  outcome.ok = outcome.exit_code == 0;
  if (outcome.ok) return;
  const std::string what = code == CLD_EXITED ? "exit status " + std::to_string(status)
                                              : std::string("killed by signal ") + std::to_string(status) +
                                                    " (" + ::strsignal(status) + ")";
  const std::string said = last_line(outcome.std_err);
  outcome.fail(ErrorType::kExit, said.empty() ? what : what + ": " + said,
               code == CLD_EXITED && status == kTemporaryFailure);
}

void ProcessAttempt::abandon() {
  outcome.message += "; it hangs in the kernel and was left behind";
  reactor_.loop.unwatch(child_.pidfd.get());
  exit_watched_ = false;
  reaped_ = true;
  reap_later(std::move(child_.pidfd));
  finish();
}

}  // namespace headrace::collect
