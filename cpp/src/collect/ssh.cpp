#include "headrace/collect/ssh.h"

#include <sys/stat.h>

#include "dispatcher.h"
#include "headrace/base/error.h"
#include "ssh_attempt.h"

namespace headrace::collect {

namespace {

bool has_nul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

SshOptions checked(SshOptions options) {
  options.validate();
  if (options.username.empty() || has_nul(options.username))
    throw ConfigurationError("username must not be empty");
  if (options.port < 1 || options.port > 65535) throw ConfigurationError("port must be between 1 and 65535");
  if (options.known_hosts.empty()) throw ConfigurationError("known_hosts must be the path of a file");
  if (options.password && has_nul(*options.password)) throw ConfigurationError("password: holds a NUL byte");
  return options;
}

bool exists(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0;
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// Of several key files (the usual ones of a user) those that cannot be read are passed over.
std::vector<NamedKey> read_keys(const SshOptions& options) {
  std::vector<NamedKey> keys;
  const bool only = options.key_files.size() == 1;
  for (const std::string& path : options.key_files) {
    ssh_key key = nullptr;
    const char* passphrase = options.passphrase.empty() ? nullptr : options.passphrase.c_str();
    if (ssh_pki_import_privkey_file(path.c_str(), passphrase, nullptr, nullptr, &key) == SSH_OK) {
      keys.push_back({base_name(path), SshKey(key)});
    } else if (only && !exists(path)) {
      throw ConfigurationError("key file '" + path + "' does not exist");
    } else if (only) {
      throw ConfigurationError("key file '" + path +
                               "' cannot be read: it is no private key, or its passphrase is " +
                               (passphrase == nullptr ? "needed" : "another one"));
    }
  }
  return keys;
}

void check(const std::vector<std::string>& commands) {
  if (commands.empty()) throw ConfigurationError("there is no command to run");
  for (const std::string& command : commands) {
    if (command.empty() || has_nul(command))
      throw ConfigurationError("a command is empty or holds a NUL byte");
  }
}

class SshWorkload : public Workload {
 public:
  SshWorkload(SshShared& shared, const std::vector<std::string>& hosts,
              const std::vector<std::string>& commands, const CancelToken& cancel)
      : shared_(shared), hosts_(hosts), commands_(commands), agent_(shared.options.agent_socket, cancel) {
    addresses_.reserve(hosts.size());
    for (const std::string& host : hosts) addresses_.push_back(parse_host(host, shared.options.port));
  }

  int64_t size() const override { return static_cast<int64_t>(hosts_.size()); }
  std::string name(int64_t index) const override { return hosts_[index]; }
  void attach(Reactor& reactor) override { resolver_.emplace(reactor); }
  void detach() override { resolver_.reset(); }
  std::unique_ptr<Attempt> make(int64_t index, Reactor& reactor, Clock::time_point deadline) override {
    AgentProxy* agent = shared_.options.agent_socket.empty() ? nullptr : &agent_;
    return std::make_unique<SshAttempt>(reactor, deadline, shared_, *resolver_, agent, addresses_[index],
                                        commands_);
  }

 private:
  SshShared& shared_;
  const std::vector<std::string>& hosts_;
  const std::vector<std::string>& commands_;
  std::vector<HostAddress> addresses_;
  AgentProxy agent_;
  std::optional<Resolver> resolver_;
};

}  // namespace

SshShared::SshShared(SshOptions given)
    : options(checked(std::move(given))), known_hosts(options.known_hosts) {
  credentials.keys = read_keys(options);
  credentials.has_password = options.password.has_value();
  credentials.password = options.password.value_or("");
}

SshCollector::SshCollector(SshOptions options) : shared_(std::make_shared<SshShared>(std::move(options))) {}

void SshCollector::collect(const std::vector<std::string>& hosts, const std::vector<std::string>& commands,
                           OutcomeSink& sink, const CancelToken& cancel) const {
  check(commands);
  SshWorkload workload(*shared_, hosts, commands, cancel);
  Targets targets(workload.size());
  Dispatcher(workload, targets, shared_->options, sink, cancel).run();
}

Outcome SshCollector::run(const std::string& host, const std::vector<std::string>& commands,
                          const CancelToken& cancel) const {
  Outcome result;
  CallbackSink sink([&result](Outcome outcome) { result = std::move(outcome); });
  collect({host}, commands, sink, cancel);
  return result;
}

std::unique_ptr<OutcomeStream> SshCollector::stream(std::vector<std::string> hosts,
                                                    std::vector<std::string> commands,
                                                    int64_t capacity) const {
  check(commands);
  auto work = [collector = *this, hosts = std::move(hosts), commands = std::move(commands)](
                  OutcomeSink& sink, const CancelToken& cancel) {
    collector.collect(hosts, commands, sink, cancel);
  };
  return std::make_unique<OutcomeStream>(std::move(work), capacity);
}

}  // namespace headrace::collect
