#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/base/cancel.h"
#include "headrace/collect/policy.h"
#include "headrace/collect/sink.h"
#include "headrace/collect/stream.h"

namespace headrace::collect {

struct SshOptions : Limits {
  SshOptions() { workers = 50; }

  std::string username;
  int port = 22;  ///< of targets that name none
  /// Private key files, tried in this order. Those that don't exist are passed over; a single one must exist.
  std::vector<std::string> key_files;
  std::string passphrase;               ///< of the key files that need one
  std::string agent_socket;             ///< an agent's socket, asked before the key files; empty: no agent
  std::optional<std::string> password;  ///< for the methods password and keyboard-interactive, after all keys
  std::string known_hosts;              ///< file of the trusted host keys
  bool accept_new = false;              ///< trust, and remember, the key of a host of which none is known
  std::optional<std::string> input;     ///< what each command reads on its standard input; none: nothing
  bool require_status = true;  ///< an answer without an exit status (some devices send none) is a failure
  bool legacy = false;  ///< also old algorithms (SHA-1 key exchange and signatures, CBC), after all others
  bool list_commands = false;  ///< fill Outcome::commands for a single command, too
};

class SshShared;

/// Runs commands on many hosts in parallel, over SSH, all sessions in one thread.
///
/// A target is "name", "address" or "name:port". The deadline covers name look-up, connection, key exchange,
/// authentication and all output. A host key that is not known, or is not the known one, is a failure
/// (`host_key`), as is a failed login (`auth`); nothing of ~/.ssh/config is read. Several commands run one
/// after the other in one session; the first that fails is the last. `ok` means that every command ended with
/// status 0 and that its output was received up to its end. Retried are failures to connect, connections that
/// break off, and time-outs.
///
/// Immutable but for the hosts that are newly accepted; may be used from many threads.
class SshCollector {
 public:
  /// Reads the keys and the known hosts. Throws ConfigurationError, naming the field or the file.
  explicit SshCollector(SshOptions options);

  Outcome run(const std::string& host, const std::vector<std::string>& commands,
              const CancelToken& cancel = {}) const;
  /// Throws ConfigurationError when there is no command, or an empty one.
  void collect(const std::vector<std::string>& hosts, const std::vector<std::string>& commands,
               OutcomeSink& sink, const CancelToken& cancel = {}) const;
  std::unique_ptr<OutcomeStream> stream(std::vector<std::string> hosts, std::vector<std::string> commands,
                                        int64_t capacity) const;

 private:
  std::shared_ptr<SshShared> shared_;
};

}  // namespace headrace::collect
