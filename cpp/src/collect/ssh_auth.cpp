#include "ssh_auth.h"

#include <utility>

namespace headrace::collect {

namespace {

constexpr int kMaxPromptRounds = 8;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string method_names(int methods) {
  std::vector<std::string> names;
  const std::pair<int, const char*> known[] = {{SSH_AUTH_METHOD_PUBLICKEY, "publickey"},
                                               {SSH_AUTH_METHOD_PASSWORD, "password"},
                                               {SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive"},
                                               {SSH_AUTH_METHOD_HOSTBASED, "hostbased"},
                                               {SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi-with-mic"}};
  for (const auto& [bit, name] : known) {
    if ((methods & bit) != 0) names.emplace_back(name);
  }
  return joined(names);
}

}  // namespace

// Without a key the device is asked first which methods it has, so that no failed login is counted there.
SshLogin::SshLogin(SshSession& session, const SshCredentials& credentials, AgentProxy* agent)
    : session_(session), credentials_(credentials), agent_(agent) {
  if (credentials.keys.empty()) steps_.push_back({Method::kAsk});
  if (agent_ != nullptr) steps_.push_back({Method::kAgent});
  for (const NamedKey& key : credentials.keys) steps_.push_back({Method::kKey, &key});
  if (!credentials.has_password) return;
  steps_.push_back({Method::kPassword});
  steps_.push_back({Method::kPrompts});
}

SshLogin::State SshLogin::advance() {
  while (current_ < steps_.size()) {
    const State state = offered(steps_[current_]) ? next(attempt(steps_[current_])) : next(SSH_AUTH_DENIED);
    if (state != State::kRefused) return state;
  }
  return State::kRefused;
}

// kRefused here means: go on with what is current.
SshLogin::State SshLogin::next(int result) {
  switch (result) {
    case SSH_AUTH_AGAIN:
      return State::kAgain;
    case SSH_AUTH_SUCCESS:
      return State::kDone;
    case SSH_AUTH_ERROR:
      return State::kBroken;
    default:  // denied, or accepted as one of several factors
      ++current_;
      return State::kRefused;
  }
}

// A password that was refused is not sent again in another guise: that would count as a second failed login.
bool SshLogin::offered(const Step& step) const {
  const int methods = ssh_userauth_list(session_.get(), nullptr);
  switch (step.method) {
    case Method::kAsk:
      return true;
    case Method::kAgent:
    case Method::kKey:
      return methods == 0 || (methods & SSH_AUTH_METHOD_PUBLICKEY) != 0;
    case Method::kPassword:
      return (methods & SSH_AUTH_METHOD_PASSWORD) != 0;
    case Method::kPrompts:
      return (methods & SSH_AUTH_METHOD_INTERACTIVE) != 0 && (methods & SSH_AUTH_METHOD_PASSWORD) == 0;
  }
  return false;
}

int SshLogin::attempt(const Step& step) {
  if (step.method != Method::kAsk && (tried_.empty() || tried_.back() != name(step)))
    tried_.push_back(name(step));
  switch (step.method) {
    case Method::kAsk:
      return ssh_userauth_none(session_.get(), nullptr);
    case Method::kAgent: {
      if (!agent_connected_) {
        UniqueFd connection = agent_->connect();
        if (!connection) return SSH_AUTH_DENIED;
        agent_connected_ = true;
        ssh_set_agent_socket(session_.get(), connection.release());  // closed with the session
      }
      return ssh_userauth_agent(session_.get(), nullptr);
    }
    case Method::kKey:
      return ssh_userauth_publickey(session_.get(), nullptr, step.key->key.get());
    case Method::kPassword:
      return ssh_userauth_password(session_.get(), nullptr, credentials_.password.c_str());
    case Method::kPrompts:
      return answer_prompts();
  }
  return SSH_AUTH_ERROR;
}

int SshLogin::answer_prompts() {
  int result = ssh_userauth_kbdint(session_.get(), nullptr, nullptr);
  while (result == SSH_AUTH_INFO) {
    if (++rounds_ > kMaxPromptRounds) return SSH_AUTH_DENIED;
    const int prompts = ssh_userauth_kbdint_getnprompts(session_.get());
    for (int i = 0; i < prompts; ++i) {
      char echo = 0;
      ssh_userauth_kbdint_getprompt(session_.get(), static_cast<unsigned>(i), &echo);
      const char* answer =
          echo != 0 ? "" : credentials_.password.c_str();  // what is shown is not a password's place
      ssh_userauth_kbdint_setanswer(session_.get(), static_cast<unsigned>(i), answer);
    }
    result = ssh_userauth_kbdint(session_.get(), nullptr, nullptr);
  }
  return result;
}

std::string SshLogin::name(const Step& step) const {
  switch (step.method) {
    case Method::kAgent:
      return "agent";
    case Method::kKey:
      return "key " + step.key->name;
    default:
      return "password";
  }
}

std::string SshLogin::tried() const {
  std::string text = tried_.empty() ? "nothing to log in with" : "tried " + joined(tried_);
  if (agent_ != nullptr && agent_->silent()) text += " (the agent did not answer)";
  const int methods = ssh_userauth_list(session_.get(), nullptr);
  return methods == 0 ? text : text + "; it offers " + method_names(methods);
}

}  // namespace headrace::collect
