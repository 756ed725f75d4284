#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/collect/host_address.h"
#include "headrace/collect/known_hosts.h"
#include "headrace/collect/ssh.h"
#include "reactor.h"
#include "resolver.h"
#include "ssh_auth.h"
#include "ssh_command.h"
#include "ssh_session.h"
#include "tcp_connector.h"

namespace headrace::collect {

/// What a collector keeps: read once, used by all its sessions.
class SshShared {
 public:
  /// Throws ConfigurationError.
  explicit SshShared(SshOptions options);

  const SshOptions options;
  SshCredentials credentials;
  KnownHosts known_hosts;
};

/// One session with one host: connect, check the host's key, log in, run the commands.
class SshAttempt : public Attempt {
 public:
  /// `agent`: nullptr without one.
  SshAttempt(Reactor& reactor, Clock::time_point deadline, SshShared& shared, Resolver& resolver,
             AgentProxy* agent, const HostAddress& address, const std::vector<std::string>& commands);
  ~SshAttempt() override;

  void on_ready(int fd, uint32_t events) override;

 protected:
  void start() override;
  void stop(StopReason reason) override;
  void on_alarm() override {}

 private:
  enum class Phase { kResolve, kConnect, kHandshake, kLogin, kCommands };

  void resolved(const Resolved& result);
  /// Calls it; gives up when the system has nothing left.
  template <typename Function>
  void guarded(const Function& function);
  void connected(UniqueFd socket);
  void advance();
  /// True: go on at once. False: wait for the device, or it is over.
  bool handshake();
  bool check_host_key();
  KnownHosts::Verdict verdict_on(const SshSession::HostKey& key) const;
  bool log_in();
  bool run_command();
  bool command_ended();
  void watch_session();
  void fail(ErrorType type, const std::string& text, bool transient = false);
  void fail_broken(const std::string& during);
  std::string where() const;

  SshShared& shared_;
  Resolver& resolver_;
  AgentProxy* agent_;
  const HostAddress& address_;
  const std::vector<std::string>& commands_;
  TcpConnector connector_;
  Phase phase_ = Phase::kResolve;
  std::unique_ptr<SshSession> session_;
  std::unique_ptr<SshLogin> login_;
  std::unique_ptr<SshCommand> command_;
  size_t current_ = 0;
  size_t out_before_ = 0;  // output of the commands before the current one
  size_t err_before_ = 0;
  uint32_t watched_ = 0;
};

}  // namespace headrace::collect
