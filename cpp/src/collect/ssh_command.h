#pragma once

#include <libssh/callbacks.h>

#include <optional>
#include <string>

#include "headrace/collect/outcome.h"
#include "ssh_session.h"

namespace headrace::collect {

/// One command on a channel of its own.
class SshCommand {
 public:
  enum class State { kAgain, kDone, kRefused, kBroken, kOverLimit };

  /// Output goes to the end of `out` and `err`, which together may hold `max_output` bytes.
  SshCommand(SshSession& session, const std::string& command, const std::optional<std::string>& input,
             int64_t max_output, std::string& out, std::string& err);
  ~SshCommand();
  SshCommand(const SshCommand&) = delete;
  SshCommand& operator=(const SshCommand&) = delete;

  State advance();
  std::optional<int> exit_status() const { return status_; }
  /// "KILL"; empty unless the device said that a signal ended the command.
  const std::string& signal() const { return signal_; }

 private:
  enum class Phase { kOpen, kExec, kRun };

  static int on_data(ssh_session, ssh_channel, void* data, uint32_t length, int is_stderr, void* self);
  static void on_eof(ssh_session, ssh_channel, void* self);
  static void on_close(ssh_session, ssh_channel, void* self);
  static void on_status(ssh_session, ssh_channel, int status, void* self);
  static void on_signal(ssh_session, ssh_channel, const char* signal, int core, const char* text,
                        const char* language, void* self);

  State open();
  State exec();
  State run();
  void write_input();
  bool pump();
  int64_t progress() const { return events_ + static_cast<int64_t>(written_); }
  bool ended() const { return closed_ || (eof_ && (status_ || !signal_.empty())); }

  SshSession& session_;
  const std::string& command_;
  const std::optional<std::string>& input_;
  const size_t max_output_;
  std::string& out_;
  std::string& err_;
  ssh_channel channel_;
  ssh_channel_callbacks_struct callbacks_{};
  Phase phase_ = Phase::kOpen;
  size_t written_ = 0;
  bool input_ended_ = false;
  std::optional<int> status_;
  std::string signal_;
  int64_t events_ = 0;  // grows with everything that comes from the device
  bool eof_ = false;
  bool closed_ = false;
  bool over_limit_ = false;
};

}  // namespace headrace::collect
