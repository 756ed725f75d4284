#include "ssh_command.h"

#include <algorithm>

#include "headrace/base/error.h"

namespace headrace::collect {

namespace {

constexpr int kPumpsATurn = 64;  // of 4 KB: then the other sessions get theirs
constexpr size_t kWriteBytes = 32 * 1024;

}  // namespace

SshCommand::SshCommand(SshSession& session, const std::string& command,
                       const std::optional<std::string>& input, int64_t max_output, std::string& out,
                       std::string& err)
    : session_(session),
      command_(command),
      input_(input),
      max_output_(static_cast<size_t>(max_output)),
      out_(out),
      err_(err),
      channel_(ssh_channel_new(session.get())) {
  if (channel_ == nullptr) throw ResourceError("no memory for an SSH channel");
  callbacks_.userdata = this;
  callbacks_.channel_data_function = &on_data;
  callbacks_.channel_eof_function = &on_eof;
  callbacks_.channel_close_function = &on_close;
  callbacks_.channel_exit_status_function = &on_status;
  callbacks_.channel_exit_signal_function = &on_signal;
  ssh_callbacks_init(&callbacks_);
  ssh_set_channel_callbacks(channel_, &callbacks_);
}

SshCommand::~SshCommand() {
  ssh_remove_channel_callbacks(channel_, &callbacks_);
  ssh_channel_free(channel_);
}

SshCommand::State SshCommand::advance() {
  State state = State::kDone;
  if (phase_ == Phase::kOpen) state = open();
  if (phase_ == Phase::kExec) state = exec();
  if (phase_ == Phase::kRun) state = run();
  return state;
}

SshCommand::State SshCommand::open() {
  const int result = ssh_channel_open_session(channel_);
  if (result == SSH_AGAIN) return State::kAgain;
  if (result != SSH_OK) return session_.broken() ? State::kBroken : State::kRefused;
  phase_ = Phase::kExec;
  return State::kAgain;
}

SshCommand::State SshCommand::exec() {
  const int result = ssh_channel_request_exec(channel_, command_.c_str());
  if (result == SSH_AGAIN) return State::kAgain;
  if (result != SSH_OK) return session_.broken() ? State::kBroken : State::kRefused;
  phase_ = Phase::kRun;
  return State::kAgain;
}

SshCommand::State SshCommand::run() {
  for (int turn = 0; turn < kPumpsATurn; ++turn) {
    const int64_t before = progress();
    const bool congested = session_.wants_write();
    if (!input_ended_) write_input();
    const bool alive = pump();
    if (over_limit_) return State::kOverLimit;
    if (ended()) return State::kDone;
    if (!alive) return State::kBroken;
    const bool may_write = congested && !session_.wants_write() && !input_ended_;
    if (progress() == before && !may_write) break;
  }
  return State::kAgain;
}

// Not more than the connection takes: what libssh holds for it is not limited.
void SshCommand::write_input() {
  if (closed_) input_ended_ = true;
  while (input_ && written_ < input_->size() && !input_ended_) {
    if (session_.wants_write()) return;
    const auto part = static_cast<uint32_t>(std::min(kWriteBytes, input_->size() - written_));
    const int count = ssh_channel_write(channel_, input_->data() + written_, part);
    if (count == 0) return;
    if (count < 0) input_ended_ = true;  // the command does not read (any more); its output tells why
    if (count > 0) written_ += static_cast<size_t>(count);
  }
  if (!input_ended_) ssh_channel_send_eof(channel_);
  input_ended_ = true;
}

// False: the connection is gone.
bool SshCommand::pump() {
  if (!eof_) return ssh_channel_poll(channel_, 0) != SSH_ERROR || eof_;
  if (ended()) return true;
  // The end of the output was seen, its status was not: libssh reads on only for who asks for that.
  ssh_channel_get_exit_status(channel_);
  return !session_.broken();
}

int SshCommand::on_data(ssh_session, ssh_channel, void* data, uint32_t length, int is_stderr, void* self) {
  auto& command = *static_cast<SshCommand*>(self);
  const size_t room =
      command.max_output_ - std::min(command.max_output_, command.out_.size() + command.err_.size());
  std::string& into = is_stderr != 0 ? command.err_ : command.out_;
  into.append(static_cast<const char*>(data), std::min<size_t>(length, room));
  command.over_limit_ = command.over_limit_ || length > room;
  ++command.events_;
  return static_cast<int>(length);
}

void SshCommand::on_eof(ssh_session, ssh_channel, void* self) {
  auto& command = *static_cast<SshCommand*>(self);
  command.eof_ = true;
  ++command.events_;
}

void SshCommand::on_close(ssh_session, ssh_channel, void* self) {
  auto& command = *static_cast<SshCommand*>(self);
  command.closed_ = true;
  ++command.events_;
}

void SshCommand::on_status(ssh_session, ssh_channel, int status, void* self) {
  auto& command = *static_cast<SshCommand*>(self);
  command.status_ = status;
  ++command.events_;
}

void SshCommand::on_signal(ssh_session, ssh_channel, const char* signal, int, const char*, const char*,
                           void* self) {
  auto& command = *static_cast<SshCommand*>(self);
  command.signal_ = signal != nullptr ? signal : "unknown";
  ++command.events_;
}

}  // namespace headrace::collect
