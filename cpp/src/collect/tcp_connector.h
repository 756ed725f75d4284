#pragma once

#include <functional>
#include <string>
#include <vector>

#include "reactor.h"
#include "resolver.h"

namespace headrace::collect {

/// Opens a TCP connection to the first of a host's addresses that answers. Further addresses are tried at
/// once when one fails, and beside it after a quarter of a second (RFC 8305).
class TcpConnector : public Alarm, public Loop::Handler {
 public:
  /// Told once: `fd` is a connected, non-blocking socket with TCP_NODELAY, or empty: then error() says why.
  using Done = std::function<void(UniqueFd fd)>;

  TcpConnector(Reactor& reactor, Done done) : Alarm(reactor), done_(std::move(done)) {}
  ~TcpConnector() override { close_all(); }

  /// Throws ResourceError when there is no descriptor for the first address.
  void connect(std::vector<SocketAddress> addresses);
  void close_all();
  const std::string& error() const { return error_; }

  void on_ready(int fd, uint32_t events) override;
  void ring() override { try_next(); }

 private:
  void try_next();
  void failed(int error);
  void succeeded(size_t place);
  void drop(size_t place);

  Done done_;
  std::vector<SocketAddress> addresses_;
  size_t next_ = 0;
  std::vector<UniqueFd> trying_;
  std::string error_;
};

}  // namespace headrace::collect
