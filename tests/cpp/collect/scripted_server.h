#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace headrace::collect {

/// A TCP server on a port of its own; each connection is handled by a function in a thread.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::function<void(int connection)> handle, const char* address = "127.0.0.1")
      : handle_(std::move(handle)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &name.sin_addr);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&name), sizeof name);
    ::listen(listener_, 128);
    socklen_t size = sizeof name;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
    port_ = ntohs(name.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    stopping_ = true;
    acceptor_.join();
    ::close(listener_);
    for (const int connection : connections_) ::shutdown(connection, SHUT_RDWR);
    for (std::thread& thread : threads_) thread.join();
    for (const int connection : connections_) ::close(connection);
  }

  int port() const { return port_; }
  int accepted() const { return accepted_; }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }

 private:
  void accept_all() {
    while (!stopping_) {
      pollfd waiting{listener_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) != 1) continue;
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      ++accepted_;
      connections_.push_back(connection);
      threads_.emplace_back([this, connection] {
        handle_(connection);
        ::shutdown(connection, SHUT_RDWR);
      });
    }
  }

  std::function<void(int)> handle_;
  const int listener_;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> accepted_ = 0;
  std::vector<int> connections_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

inline void send_all(int connection, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = ::send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<size_t>(count);
  }
}

/// Answers HTTP requests, several on a connection. The function gets the whole head of the request (and what
/// came of the body); its answer is sent as it is; an empty one keeps the client waiting, "close" ends the
/// connection.
inline std::function<void(int)> http_handler(std::function<std::string(const std::string& request)> answer) {
  return [answer = std::move(answer)](int connection) {
    std::string request;
    char part[4096];
    for (ssize_t count; (count = ::recv(connection, part, sizeof part, 0)) > 0;) {
      request.append(part, static_cast<size_t>(count));
      if (request.find("\r\n\r\n") == std::string::npos) continue;
      const std::string bytes = answer(request);
      if (bytes == "close") return;
      send_all(connection, bytes);
      request.clear();
    }
  };
}

inline std::string http_answer(int status, const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + headers + "\r\n" + body;
}

}  // namespace headrace::collect
