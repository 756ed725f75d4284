#include "ssh_attempt.h"

#include <sys/epoll.h>

#include "headrace/base/error.h"
#include "text_line.h"

namespace headrace::collect {

SshAttempt::SshAttempt(Reactor& reactor, Clock::time_point deadline, SshShared& shared, Resolver& resolver,
                       AgentProxy* agent, const HostAddress& address,
                       const std::vector<std::string>& commands)
    : Attempt(reactor, deadline),
      shared_(shared),
      resolver_(resolver),
      agent_(agent),
      address_(address),
      commands_(commands),
      connector_(reactor, [this](UniqueFd socket) { connected(std::move(socket)); }) {}

SshAttempt::~SshAttempt() {
  resolver_.forget(this);
  if (watched_ != 0) reactor_.loop.unwatch(session_->fd());
  command_.reset();
}

void SshAttempt::start() {
  if (address_.host.empty() || !address_.error.empty()) return fail(ErrorType::kUnreachable, address_.error);
  resolver_.resolve(address_.host, address_.port, this, [this](const Resolved& result) { resolved(result); });
}

void SshAttempt::resolved(const Resolved& result) {
  if (result.addresses.empty()) return fail(ErrorType::kUnreachable, result.error, result.temporary);
  phase_ = Phase::kConnect;
  guarded([&] { connector_.connect(result.addresses); });
}

template <typename Function>
void SshAttempt::guarded(const Function& function) {
  try {
    function();
  } catch (const ResourceError& error) {
    give_up(error.what());
  }
}

void SshAttempt::connected(UniqueFd socket) {
  if (!socket) {
    const std::string place = "port " + std::to_string(address_.port);
    return fail(ErrorType::kUnreachable, "cannot connect to " + place + ": " + connector_.error(), true);
  }
  phase_ = Phase::kHandshake;
  const auto key_types = shared_.known_hosts.key_types(address_.host, address_.port);
  guarded([&] {
    session_ = std::make_unique<SshSession>(std::move(socket), address_.host, address_.port, shared_.options,
                                            key_types);
    advance();
  });
}

void SshAttempt::on_ready(int fd, uint32_t events) {
  if (!done()) guarded([this] { advance(); });
}

void SshAttempt::advance() {
  bool more = true;
  while (more && !done()) {
    switch (phase_) {
      case Phase::kHandshake:
        more = handshake();
        break;
      case Phase::kLogin:
        more = log_in();
        break;
      default:
        more = run_command();
    }
  }
  if (!done()) watch_session();
}

void SshAttempt::watch_session() {
  const uint32_t wanted = session_->wants_write() ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (wanted == watched_) return;
  if (watched_ == 0) {
    reactor_.loop.watch(session_->fd(), wanted, this);
  } else {
    reactor_.loop.change(session_->fd(), wanted, this);
  }
  watched_ = wanted;
}

bool SshAttempt::handshake() {
  const int result = session_->handshake();
  if (result == SSH_AGAIN) return false;
  if (result != SSH_OK) {
    fail_broken("the key exchange");
    return false;
  }
  if (!check_host_key()) return false;
  phase_ = Phase::kLogin;
  login_ = std::make_unique<SshLogin>(*session_, shared_.credentials, agent_);
  return true;
}

KnownHosts::Verdict SshAttempt::verdict_on(const SshSession::HostKey& key) const {
  KnownHosts& known = shared_.known_hosts;
  const KnownHosts::Verdict verdict = known.check(address_.host, address_.port, key.blob);
  if (verdict != KnownHosts::Verdict::kUnknown || !shared_.options.accept_new) return verdict;
  return known.add(address_.host, address_.port, key.type, key.blob);
}

bool SshAttempt::check_host_key() try {
  const SshSession::HostKey key = session_->host_key();
  const std::string shown = "its " + key.type + " key " + key.fingerprint;
  const std::string& file = shared_.known_hosts.path();
  switch (verdict_on(key)) {
    case KnownHosts::Verdict::kTrusted:
      return true;
    case KnownHosts::Verdict::kChanged:
      fail(ErrorType::kHostKey,
           shown + " is not the one in " + file +
               ": an attack, or a new device; if it was replaced, take the old line out of the file");
      break;
    case KnownHosts::Verdict::kRevoked:
      fail(ErrorType::kHostKey, shown + " is revoked in " + file);
      break;
    case KnownHosts::Verdict::kUnknown:
      fail(ErrorType::kHostKey,
           shown + " is not known; check it and add it to " + file + ", or ask for accept_new");
      break;
  }
  return false;
} catch (const ConfigurationError& error) {  // the file cannot be written
  fail(ErrorType::kHostKey, error.what());
  return false;
}

bool SshAttempt::log_in() {
  switch (login_->advance()) {
    case SshLogin::State::kAgain:
      return false;
    case SshLogin::State::kDone:
      phase_ = Phase::kCommands;
      return true;
    case SshLogin::State::kRefused:
      fail(ErrorType::kAuth,
           "login refused for user '" + shared_.options.username + "' (" + login_->tried() + ")");
      return false;
    case SshLogin::State::kBroken:
      break;
  }
  fail_broken("the login");
  return false;
}

bool SshAttempt::run_command() {
  const SshOptions& options = shared_.options;
  if (!command_) {
    command_ = std::make_unique<SshCommand>(*session_, commands_[current_], options.input, options.max_output,
                                            outcome.std_out, outcome.std_err);
  }
  switch (command_->advance()) {
    case SshCommand::State::kAgain:
      return false;
    case SshCommand::State::kDone:
      return command_ended();
    case SshCommand::State::kRefused:
      fail(ErrorType::kProtocol, "it refused to run the command" + where() + ": " + session_->error());
      return false;
    case SshCommand::State::kOverLimit:
      fail(ErrorType::kOutputLimit, "more than " + std::to_string(options.max_output) +
                                        " bytes of output; raise max_output or ask for less");
      return false;
    case SshCommand::State::kBroken:
      break;
  }
  fail_broken("the output" + where());
  return false;
}

bool SshAttempt::command_ended() {
  CommandOutput output{commands_[current_], "", "", command_->exit_status()};
  const std::string signal = command_->signal();
  command_.reset();
  if (commands_.size() > 1 || shared_.options.list_commands) {
    output.std_out = outcome.std_out.substr(out_before_);
    output.std_err = outcome.std_err.substr(err_before_);
    outcome.commands.push_back(output);
  }
  outcome.exit_code = output.exit_code;
  const std::string said = last_line(std::string_view(outcome.std_err).substr(err_before_));
  const std::string because = said.empty() ? "" : ": " + said;
  if (!signal.empty()) {
    fail(ErrorType::kExit, "killed by signal " + one_line(signal) + where() + because);
  } else if (!output.exit_code && shared_.options.require_status) {
    fail(ErrorType::kProtocol, "the output ended without an exit status" + where() + "; it may not be whole",
         true);
  } else if (output.exit_code.value_or(0) != 0) {
    fail(ErrorType::kExit, "exit status " + std::to_string(*output.exit_code) + where() + because);
  } else if (++current_ < commands_.size()) {
    out_before_ = outcome.std_out.size();
    err_before_ = outcome.std_err.size();
    return true;
  } else {
    outcome.ok = true;
    finish();
  }
  return false;
}

std::string SshAttempt::where() const {
  return commands_.size() > 1 ? " of '" + one_line(commands_[current_]) + "'" : "";
}

void SshAttempt::fail(ErrorType type, const std::string& text, bool transient) {
  outcome.fail(type, text, transient);
  finish();
}

void SshAttempt::fail_broken(const std::string& during) {
  const bool lost = session_->connection_lost();
  const std::string text = lost ? "the connection broke off during " : "protocol error during ";
  fail(ErrorType::kProtocol, text + during + ": " + session_->error(), lost);
}

void SshAttempt::stop(StopReason reason) {
  if (reason == StopReason::kCancelled)
    return fail(ErrorType::kCancelled, "cancelled while it was under way");
  const std::string after = " after " + seconds_text(shared_.options.timeout);
  switch (phase_) {
    case Phase::kResolve:
      return fail(ErrorType::kUnreachable, "its name was not resolved" + after, true);
    case Phase::kConnect:
      return fail(ErrorType::kUnreachable, "no connection to port " + std::to_string(address_.port) + after,
                  true);
    case Phase::kHandshake:
      return fail(ErrorType::kTimeout, "the key exchange was not finished" + after, true);
    case Phase::kLogin:
      return fail(ErrorType::kTimeout, "the login was not finished" + after, true);
    case Phase::kCommands:
      break;
  }
  const auto received = std::to_string(outcome.std_out.size());
  fail(ErrorType::kTimeout,
       "the output" + where() + " was not at its end" + after + " (" + received +
           " bytes came); raise timeout",
       true);
}

}  // namespace headrace::collect
