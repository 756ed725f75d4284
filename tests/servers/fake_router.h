#pragma once

#include <libssh/libssh.h>
#include <libssh/server.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace headrace::testing {

/// How a device behaves to its client. The first ones never get as far as a login.
enum class Behaviour {
  kGood,          // answers
  kSilent,        // accepts, and says nothing
  kBannerFlood,   // 10 MB without a line break in place of a version
  kGarbage,       // random bytes in place of a version
  kCloseAtOnce,   // accepts and closes
  kCloseAtLogin,  // closes when asked to log in
  kRefuse,        // refuses every login
  kPromptsOnly,   // has no login but keyboard-interactive: "secret"
  kPasswordOnly,  // has no login but the password "secret"
  kRefuseExec,    // logs in, but runs nothing
  kHang,          // stops after 20 KB of output
  kDrip,          // sends 100 bytes of output a second
  kCut,           // breaks the connection off after 20 KB of output
  kNoStatus,      // closes the channel without an exit status
  kFlood,         // output without an end
};

/// A device with an SSH server, on one address: libssh, a thread for each connection. Commands:
///   "show config"      bytes of config_text(address of the server, config_bytes)
///   "show bgp N M"     N BGP peers, whose AS numbers are among 1000 to 1000 + M - 1
///   "exit N"           N as its status, "leaving" on standard error
///   "signal"           ends as if killed by SIGKILL
///   "cat"              its standard input
/// Any other command is a syntax error with status 1, as on a Junos device.
class FakeRouter {
 public:
  struct Options {
    std::string address = "127.0.0.1";  // "0.0.0.0": all of 127.0.0.0/8
    int port = 0;                       // 0: a free one
    int threads = 0;                    // that accept; 0: one, and one more for each connection
    std::string host_key;               // file; empty: a new ed25519 key
    Behaviour behaviour = Behaviour::kGood;
    int latency_ms = 0;
    size_t config_bytes = 50'000;
  };

  explicit FakeRouter(Options options);
  explicit FakeRouter(Behaviour behaviour) : FakeRouter(with(behaviour)) {}
  ~FakeRouter();
  FakeRouter(const FakeRouter&) = delete;
  FakeRouter& operator=(const FakeRouter&) = delete;

  int port() const { return port_; }
  std::string target() const { return options_.address + ":" + std::to_string(port_); }
  /// The line of a known_hosts file that trusts it.
  std::string known_hosts_line() const;
  int connections() const { return connections_; }
  int logins_refused() const { return logins_refused_; }

  static std::string config_text(const std::string& address, size_t bytes);
  static std::string bgp_text(const std::string& address, const std::string& counts);

 private:
  static Options with(Behaviour behaviour);
  void accept_all();
  void serve(int connection);
  void serve_ssh(int connection);
  bool log_in(ssh_session session);
  bool authenticate(ssh_session session, ssh_message message, bool& accepted);
  void serve_channels(ssh_session session, const std::string& address);
  bool run(ssh_session session, ssh_channel channel, const std::string& command, const std::string& address);
  bool send_output(ssh_session session, ssh_channel channel, const std::string& output);
  void pause(int milliseconds) const;

  const Options options_;
  ssh_key key_ = nullptr;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  std::atomic<int> logins_refused_ = 0;
  std::mutex mutex_;
  std::vector<int> open_;             // under the mutex
  std::vector<std::thread> threads_;  // under the mutex
};

}  // namespace headrace::testing
