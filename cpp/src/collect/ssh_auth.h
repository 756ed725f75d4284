#pragma once

#include <string>
#include <vector>

#include "agent_proxy.h"
#include "ssh_session.h"

namespace headrace::collect {

/// A private key and the name that messages call it by.
struct NamedKey {
  std::string name;
  SshKey key;
};

/// What a client can log in with. Read once, shared by all sessions, never changed.
struct SshCredentials {
  std::vector<NamedKey> keys;
  std::string password;
  bool has_password = false;
};

/// Logs in, step by step: with the agent, then each key, then the password.
class SshLogin {
 public:
  enum class State { kAgain, kDone, kRefused, kBroken };

  /// `agent`: nullptr without one.
  SshLogin(SshSession& session, const SshCredentials& credentials, AgentProxy* agent);
  State advance();
  /// What was tried and what the device offers, for a message.
  std::string tried() const;

 private:
  enum class Method { kAsk, kAgent, kKey, kPassword, kPrompts };
  struct Step {
    Method method;
    const NamedKey* key = nullptr;
  };

  int attempt(const Step& step);
  int answer_prompts();
  bool offered(const Step& step) const;
  std::string name(const Step& step) const;
  State next(int result);

  SshSession& session_;
  const SshCredentials& credentials_;
  AgentProxy* agent_;
  std::vector<Step> steps_;
  size_t current_ = 0;
  bool agent_connected_ = false;
  int rounds_ = 0;
  std::vector<std::string> tried_;
};

}  // namespace headrace::collect
