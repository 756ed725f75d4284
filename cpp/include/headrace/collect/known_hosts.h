#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace headrace::collect {

/// The host keys that are trusted: a file in the form of OpenSSH's known_hosts (plain and hashed names,
/// patterns, [host]:port, @revoked; @cert-authority lines are passed over). Read once; a look-up does not
/// grow with the file, but for its hashed and pattern lines. Thread-safe.
class KnownHosts {
 public:
  enum class Verdict {
    kTrusted,
    kUnknown,  ///< nothing is known of the host
    kChanged,  ///< other keys are known of it
    kRevoked,
  };

  /// A missing file knows no host. Throws ConfigurationError where it cannot be read.
  explicit KnownHosts(std::string path);

  /// `key`: the public key's blob in base64. With a port other than 22, "[host]:port" is looked up, and where
  /// nothing is known under that name, whether the plain host has this very key.
  Verdict check(const std::string& host, int port, const std::string& key) const;
  /// Types ("ssh-ed25519") of the keys that are known of the host: what it should be asked for.
  std::vector<std::string> key_types(const std::string& host, int port) const;
  /// Trusts a key of a host of which none is known, here and (appended, mode 0600) in the file, which other
  /// processes may have added to: kTrusted, or what is known of the host by now. Throws ConfigurationError
  /// when the file cannot be written.
  Verdict add(const std::string& host, int port, const std::string& type, const std::string& key);
  const std::string& path() const { return path_; }

 private:
  struct Line {
    std::string names;  // as in the file: patterns joined by commas, or one hashed name
    std::string type;
    std::string key;
    bool revoked = false;
  };

  void read(const std::string& content);
  Verdict verdict(const std::string& host, int port, const std::string& key) const;
  void insert(Line line);
  std::vector<const Line*> lines_for(const std::string& name) const;

  std::string path_;
  int64_t size_ = 0;  ///< bytes of the file that are known here
  mutable std::mutex mutex_;
  std::vector<Line> lines_;
  std::unordered_multimap<std::string, size_t> by_name_;  // lines with plain names only
  std::vector<size_t> matched_one_by_one_;                // the other lines
};

}  // namespace headrace::collect
