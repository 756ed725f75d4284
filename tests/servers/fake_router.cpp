#include "fake_router.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace headrace::testing {

namespace {

constexpr size_t kPartBytes = 20'480;

std::string server_address(int connection) {
  sockaddr_in name{};
  socklen_t size = sizeof name;
  ::getsockname(connection, reinterpret_cast<sockaddr*>(&name), &size);
  char text[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, &name.sin_addr, text, sizeof text);
  return text;
}

bool send_raw(int connection, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = ::send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<size_t>(count);
  }
  return true;
}

std::string garbage(size_t size) {
  std::string bytes(size, '\0');
  unsigned state = 1;
  for (char& c : bytes) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return bytes;
}

ssh_key make_key(const std::string& file) {
  ssh_key key = nullptr;
  const int result = file.empty()
                         ? ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key)
                         : ssh_pki_import_privkey_file(file.c_str(), nullptr, nullptr, nullptr, &key);
  if (result != SSH_OK) throw std::runtime_error("no host key");
  return key;
}

}  // namespace

FakeRouter::Options FakeRouter::with(Behaviour behaviour) {
  Options options;
  options.behaviour = behaviour;
  return options;
}

FakeRouter::FakeRouter(Options options) : options_(std::move(options)), key_(make_key(options_.host_key)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(options_.port));
  ::inet_pton(AF_INET, options_.address.c_str(), &name.sin_addr);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 ||
      ::listen(listener_, 1024) != 0) {
    throw std::runtime_error(std::string("cannot listen: ") + std::strerror(errno));
  }
  socklen_t size = sizeof name;
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
  port_ = ntohs(name.sin_port);
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < std::max(options_.threads, 1); ++i) threads_.emplace_back([this] { accept_all(); });
}

FakeRouter::~FakeRouter() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);  // wakes those that accept
  for (size_t i = 0;; ++i) {
    std::thread thread;
    {
      const std::lock_guard lock(mutex_);
      for (const int connection : open_) ::shutdown(connection, SHUT_RDWR);
      if (i == threads_.size()) break;
      thread = std::move(threads_[i]);
    }
    thread.join();
  }
  ::close(listener_);
  ssh_key_free(key_);
}

std::string FakeRouter::known_hosts_line() const {
  char* blob = nullptr;
  ssh_pki_export_pubkey_base64(key_, &blob);
  std::string line = "[" + options_.address + "]:" + std::to_string(port_) + " ";
  line.append(ssh_key_type_to_char(ssh_key_type(key_))).append(" ").append(blob).append("\n");
  ssh_string_free_char(blob);
  return line;
}

std::string FakeRouter::config_text(const std::string& address, size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) {
    text += "set policy-options prefix-list " + address + " 10." + std::to_string(i / 256 % 256) + "." +
            std::to_string(i % 256) + ".0/24\n";
  }
  text.resize(bytes);
  return text;
}

std::string FakeRouter::bgp_text(const std::string& address, const std::string& counts) {
  int peers = 0;
  int numbers = 1;
  std::sscanf(counts.c_str(), "%d %d", &peers, &numbers);
  in_addr name{};
  ::inet_pton(AF_INET, address.c_str(), &name);
  const int first =
      static_cast<int>((ntohl(name.s_addr) & 0xffff) * static_cast<unsigned>(peers) % 1'000'000);
  std::string text;
  for (int i = 0; i < peers; ++i) {
    text += "set protocols bgp group PEERS neighbor 198.51.100." + std::to_string(i + 1) + " peer-as " +
            std::to_string(1000 + (first + i) % numbers) + "\n";
  }
  return text;
}

void FakeRouter::accept_all() {
  while (!stopping_) {
    // Blocking: a connection wakes one thread, where poll() would wake them all.
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;  // reset before it was accepted, or we are stopping
    ++connections_;
    if (options_.threads > 0) {
      serve(connection);
      continue;
    }
    const std::lock_guard lock(mutex_);
    threads_.emplace_back([this, connection] { serve(connection); });
  }
}

void FakeRouter::serve(int connection) {
  {
    const std::lock_guard lock(mutex_);
    open_.push_back(connection);
    if (stopping_) ::shutdown(connection, SHUT_RDWR);
  }
  const int one = 1;
  ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  switch (options_.behaviour) {
    case Behaviour::kSilent: {
      char byte;
      while (::recv(connection, &byte, 1, 0) > 0) {
      }
      break;
    }
    case Behaviour::kBannerFlood:
      send_raw(connection, std::string(10'000'000, 'x'));
      break;
    case Behaviour::kGarbage:
      send_raw(connection, garbage(100'000));
      break;
    case Behaviour::kCloseAtOnce:
      break;
    default:
      serve_ssh(::fcntl(connection, F_DUPFD_CLOEXEC, 0));  // libssh closes what it is given
  }
  {
    const std::lock_guard lock(mutex_);
    std::erase(open_, connection);
  }
  ::close(connection);
}

void FakeRouter::serve_ssh(int connection) {
  const std::string address = server_address(connection);
  ssh_bind bind = ssh_bind_new();
  const bool no = false;
  ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no);
  ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, ssh_key_dup(key_));
  ssh_session session = ssh_new();
  const long timeout = 30;
  ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &timeout);
  if (ssh_bind_accept_fd(bind, session, connection) == SSH_OK && ssh_handle_key_exchange(session) == SSH_OK &&
      log_in(session)) {
    serve_channels(session, address);
  }
  ssh_disconnect(session);
  ssh_free(session);
  ssh_bind_free(bind);
}

bool FakeRouter::log_in(ssh_session session) {
  const Behaviour behaviour = options_.behaviour;
  if (behaviour == Behaviour::kCloseAtLogin) return false;
  int methods = SSH_AUTH_METHOD_PUBLICKEY | SSH_AUTH_METHOD_PASSWORD;
  if (behaviour == Behaviour::kPromptsOnly) methods = SSH_AUTH_METHOD_INTERACTIVE;
  if (behaviour == Behaviour::kPasswordOnly) methods = SSH_AUTH_METHOD_PASSWORD;
  ssh_set_auth_methods(session, methods);
  bool accepted = false;
  while (!accepted) {
    ssh_message message = ssh_message_get(session);
    if (message == nullptr) return false;
    if (!authenticate(session, message, accepted)) {
      const bool is_login = ssh_message_type(message) == SSH_REQUEST_AUTH;
      if (is_login && ssh_message_subtype(message) != SSH_AUTH_METHOD_NONE) ++logins_refused_;
      ssh_message_reply_default(message);
    }
    ssh_message_free(message);
  }
  return true;
}

// False: it has to be refused.
bool FakeRouter::authenticate(ssh_session session, ssh_message message, bool& accepted) {
  if (ssh_message_type(message) != SSH_REQUEST_AUTH || options_.behaviour == Behaviour::kRefuse) return false;
  const int method = ssh_message_subtype(message);
  if (method == SSH_AUTH_METHOD_PUBLICKEY && options_.behaviour != Behaviour::kPasswordOnly) {
    if (ssh_message_auth_publickey_state(message) == SSH_PUBLICKEY_STATE_NONE) {
      ssh_message_auth_reply_pk_ok_simple(message);
      return true;
    }
    accepted = ssh_message_auth_publickey_state(message) == SSH_PUBLICKEY_STATE_VALID;
  } else if (method == SSH_AUTH_METHOD_PASSWORD) {
    accepted = std::strcmp(ssh_message_auth_password(message), "secret") == 0;
  } else if (method == SSH_AUTH_METHOD_INTERACTIVE) {
    if (ssh_message_auth_kbdint_is_response(message) == 0) {
      const char* prompts[] = {"Password: "};
      char echo[] = {0};
      ssh_message_auth_interactive_request(message, "", "", 1, prompts, echo);
      return true;
    }
    const char* answer = ssh_userauth_kbdint_getanswer(session, 0);
    accepted = answer != nullptr && std::strcmp(answer, "secret") == 0;
  }
  if (accepted) ssh_message_auth_reply_success(message, 0);
  return accepted;
}

void FakeRouter::serve_channels(ssh_session session, const std::string& address) {
  std::vector<ssh_channel> channels;
  bool alive = true;
  while (alive && !stopping_) {
    ssh_message message = ssh_message_get(session);
    if (message == nullptr) break;
    const int type = ssh_message_type(message);
    if (type == SSH_REQUEST_CHANNEL_OPEN) {
      channels.push_back(ssh_message_channel_request_open_reply_accept(message));
    } else if (type == SSH_REQUEST_CHANNEL && ssh_message_subtype(message) == SSH_CHANNEL_REQUEST_EXEC &&
               options_.behaviour != Behaviour::kRefuseExec) {
      const std::string command = ssh_message_channel_request_command(message);
      ssh_channel channel = ssh_message_channel_request_channel(message);
      ssh_message_channel_request_reply_success(message);
      alive = run(session, channel, command, address);
    } else {
      ssh_message_reply_default(message);
    }
    ssh_message_free(message);
  }
  for (ssh_channel channel : channels) ssh_channel_free(channel);
}

// False: the connection is to be closed.
bool FakeRouter::run(ssh_session session, ssh_channel channel, const std::string& command,
                     const std::string& address) {
  pause(options_.latency_ms);
  int status = 0;
  if (command == "show config") {
    if (!send_output(session, channel, config_text(address, options_.config_bytes))) return false;
  } else if (command.starts_with("show bgp ")) {
    if (!send_output(session, channel, bgp_text(address, command.substr(9)))) return false;
  } else if (command.starts_with("exit ")) {
    status = std::stoi(command.substr(5));
    ssh_channel_write_stderr(channel, "leaving\n", 8);
  } else if (command == "cat") {
    std::string part(32'768, '\0');
    for (int count;
         (count = ssh_channel_read(channel, part.data(), static_cast<uint32_t>(part.size()), 0)) > 0;) {
      ssh_channel_write(channel, part.data(), static_cast<uint32_t>(count));
    }
  } else if (command != "signal") {
    status = 1;
    ssh_channel_write_stderr(channel, "error: syntax error, expecting <command>.\n", 42);
  }
  if (command == "signal") {
    ssh_channel_request_send_exit_signal(channel, "KILL", 0, "killed", "");
  } else if (options_.behaviour != Behaviour::kNoStatus) {
    ssh_channel_request_send_exit_status(channel, status);
  }
  ssh_channel_send_eof(channel);
  ssh_channel_close(channel);
  return true;
}

bool FakeRouter::send_output(ssh_session session, ssh_channel channel, const std::string& output) {
  const auto send = [channel](const std::string& bytes) {
    return ssh_channel_write(channel, bytes.data(), static_cast<uint32_t>(bytes.size())) ==
           static_cast<int>(bytes.size());
  };
  switch (options_.behaviour) {
    case Behaviour::kHang:
      send(output.substr(0, kPartBytes));
      pause(600'000);
      return false;
    case Behaviour::kCut:
      send(output.substr(0, kPartBytes));
      pause(100);
      ::shutdown(ssh_get_fd(session), SHUT_RDWR);
      return false;
    case Behaviour::kDrip:
      for (size_t i = 0; i < output.size() && !stopping_; i += 100) {
        if (!send(output.substr(i, 100))) return false;
        pause(1000);
      }
      return true;
    case Behaviour::kFlood:
      while (!stopping_ && ssh_is_connected(session) != 0 && send(output)) {
      }
      return false;
    default:
      return send(output);
  }
}

void FakeRouter::pause(int milliseconds) const {
  for (int passed = 0; passed < milliseconds && !stopping_; passed += 10) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(10, milliseconds - passed)));
  }
}

}  // namespace headrace::testing
