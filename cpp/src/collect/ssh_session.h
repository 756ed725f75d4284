#pragma once

#include <libssh/libssh.h>

#include <memory>
#include <string>
#include <vector>

#include "fd.h"
#include "headrace/collect/ssh.h"

namespace headrace::collect {

struct FreeKey {
  void operator()(ssh_key key) const { ssh_key_free(key); }
};
using SshKey = std::unique_ptr<ssh_key_struct, FreeKey>;

struct FreeText {
  void operator()(char* text) const { ssh_string_free_char(text); }
};
using SshText = std::unique_ptr<char, FreeText>;

/// A libssh session in non-blocking mode, on a socket that is already connected.
class SshSession {
 public:
  /// `key_types`: what is known of the host's keys, asked for first. Throws ResourceError.
  SshSession(UniqueFd socket, const std::string& host, int port, const SshOptions& options,
             const std::vector<std::string>& key_types);
  ~SshSession();
  SshSession(const SshSession&) = delete;
  SshSession& operator=(const SshSession&) = delete;

  ssh_session get() const { return session_; }
  int fd() const { return fd_; }
  /// One step of the version and key exchange: SSH_OK, SSH_AGAIN or SSH_ERROR.
  int handshake();
  /// Something waits to be sent.
  bool wants_write() const { return (ssh_get_poll_flags(session_) & SSH_WRITE_PENDING) != 0; }
  /// Nothing more can be done with the session.
  bool broken() const { return (ssh_get_status(session_) & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0; }
  /// The connection broke off (and not: what came over it was wrong).
  bool connection_lost() const;
  /// What libssh says went wrong, as one line.
  std::string error() const;

  /// The host's key: type, blob in base64, and "SHA256:...".
  struct HostKey {
    std::string type;
    std::string blob;
    std::string fingerprint;
  };
  HostKey host_key() const;

 private:
  void set(ssh_options_e option, const std::string& value);

  ssh_session session_;
  int fd_;
  bool begun_ = false;
};

}  // namespace headrace::collect
