#include "ssh_session.h"

#include <fcntl.h>

#include "headrace/base/error.h"
#include "text_line.h"

namespace headrace::collect {

namespace {

constexpr const char* kHostKeys =
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256";
constexpr const char* kCiphers =
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,"
    "aes256-ctr";
constexpr const char* kMacs =
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";
constexpr const char* kKeyExchanges =
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256,"
    "diffie-hellman-group-exchange-sha256";

// Signature algorithms of a known key's type.
std::string algorithms_of(const std::string& type, bool legacy) {
  if (type != "ssh-rsa") return type;
  return legacy ? "rsa-sha2-512,rsa-sha2-256,ssh-rsa" : "rsa-sha2-512,rsa-sha2-256";
}

std::string host_key_preference(const std::vector<std::string>& known, bool legacy) {
  std::string list;
  for (const std::string& type : known) list += algorithms_of(type, legacy) + ",";
  return list + kHostKeys + (legacy ? ",ssh-rsa" : "");
}

}  // namespace

SshSession::SshSession(UniqueFd socket, const std::string& host, int port, const SshOptions& options,
                       const std::vector<std::string>& key_types)
    : session_(ssh_new()), fd_(socket.get()) {
  if (session_ == nullptr) throw ResourceError("no memory for an SSH session");
  const bool no = false;
  const std::string old = options.legacy ? "," : "";
  ssh_options_set(session_, SSH_OPTIONS_PROCESS_CONFIG, &no);
  ssh_options_set(session_, SSH_OPTIONS_PORT, &port);
  set(SSH_OPTIONS_SSH_DIR, "/nonexistent");  // nothing of the user's folder is read by libssh
  set(SSH_OPTIONS_HOST, host);
  set(SSH_OPTIONS_USER, options.username);
  set(SSH_OPTIONS_KNOWNHOSTS, "/dev/null");  // host keys are checked by KnownHosts
  set(SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
  set(SSH_OPTIONS_HOSTKEYS, host_key_preference(key_types, options.legacy));
  set(SSH_OPTIONS_KEY_EXCHANGE,
      kKeyExchanges + (options.legacy ? old + "diffie-hellman-group14-sha1,diffie-hellman-group1-sha1" : ""));
  for (const auto side : {SSH_OPTIONS_CIPHERS_C_S, SSH_OPTIONS_CIPHERS_S_C}) {
    set(side, kCiphers + (options.legacy ? old + "aes256-cbc,aes192-cbc,aes128-cbc,3des-cbc" : ""));
  }
  for (const auto side : {SSH_OPTIONS_HMAC_C_S, SSH_OPTIONS_HMAC_S_C}) {
    set(side, kMacs + (options.legacy ? old + "hmac-sha1-etm@openssh.com,hmac-sha1" : ""));
  }
  if (options.legacy) set(SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, std::string(kHostKeys) + ",ssh-rsa");
  ssh_options_set(session_, SSH_OPTIONS_FD, &fd_);
  ssh_set_blocking(session_, 0);
  socket.release();
}

// With a socket of ours, ssh_disconnect() sends its message and leaves the socket open; but libssh may have
// closed it before, at an early error.
SshSession::~SshSession() {
  const bool closed = begun_ && ssh_get_fd(session_) == SSH_INVALID_SOCKET;
  ssh_disconnect(session_);
  ssh_free(session_);
  if (!closed) ::close(fd_);
}

void SshSession::set(ssh_options_e option, const std::string& value) {
  ssh_options_set(session_, option, value.c_str());
}

int SshSession::handshake() {
  begun_ = true;
  const int result = ssh_connect(session_);
  // libssh makes the socket blocking when it sees that it is connected; a device that does not read would
  // stop all.
  if (ssh_get_fd(session_) != SSH_INVALID_SOCKET) ::fcntl(fd_, F_SETFL, O_NONBLOCK);
  return result;
}

std::string SshSession::error() const {
  const std::string text = one_line(ssh_get_error(session_));
  return text.empty() ? "unknown error" : text;
}

bool SshSession::connection_lost() const {
  return error().starts_with("Socket error");
}

SshSession::HostKey SshSession::host_key() const {
  ssh_key raw = nullptr;
  if (ssh_get_server_publickey(session_, &raw) != SSH_OK) return {};
  const SshKey key(raw);
  HostKey found;
  found.type = ssh_key_type_to_char(ssh_key_type(key.get()));
  char* blob = nullptr;
  if (ssh_pki_export_pubkey_base64(key.get(), &blob) == SSH_OK) found.blob = SshText(blob).get();
  unsigned char* hash = nullptr;
  size_t length = 0;
  if (ssh_get_publickey_hash(key.get(), SSH_PUBLICKEY_HASH_SHA256, &hash, &length) == 0) {
    found.fingerprint = SshText(ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length)).get();
    ssh_clean_pubkey_hash(&hash);
  }
  return found;
}

}  // namespace headrace::collect
