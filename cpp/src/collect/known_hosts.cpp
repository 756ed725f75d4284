#include "headrace/collect/known_hosts.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "fd.h"
#include "headrace/base/error.h"

namespace headrace::collect {

namespace {

constexpr std::string_view kHashMark = "|1|";
constexpr size_t kDigestBytes = 20;  // SHA-1

std::string name_of(const std::string& host, int port) {
  return port == 22 ? host : "[" + host + "]:" + std::to_string(port);
}

// '*' and '?' as in a shell.
bool matches_pattern(std::string_view pattern, std::string_view name) {
  while (!pattern.empty()) {
    if (pattern.front() == '*') {
      pattern.remove_prefix(1);
      for (size_t skipped = 0; skipped <= name.size(); ++skipped) {
        if (matches_pattern(pattern, name.substr(skipped))) return true;
      }
      return false;
    }
    if (name.empty() || (pattern.front() != '?' && pattern.front() != name.front())) return false;
    pattern.remove_prefix(1);
    name.remove_prefix(1);
  }
  return name.empty();
}

// One negated match excludes the host, whatever else matches.
bool matches_list(std::string_view list, std::string_view name) {
  bool found = false;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view pattern = list.substr(0, comma);
    list = comma == std::string_view::npos ? "" : list.substr(comma + 1);
    const bool negated = pattern.starts_with('!');
    if (negated) pattern.remove_prefix(1);
    if (!matches_pattern(pattern, name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

std::string decode_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  auto* data = reinterpret_cast<unsigned char*>(bytes.data());
  const int length = EVP_DecodeBlock(data, reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (length < 0) return "";
  const auto padding = static_cast<size_t>(std::count(text.begin(), text.end(), '='));
  bytes.resize(static_cast<size_t>(length) - std::min(padding, static_cast<size_t>(length)));
  return bytes;
}

// "|1|salt|hash": HMAC-SHA1 of the name, keyed by the salt.
bool matches_hash(std::string_view hashed, const std::string& name) {
  hashed.remove_prefix(kHashMark.size());
  const size_t bar = hashed.find('|');
  if (bar == std::string_view::npos) return false;
  const std::string salt = decode_base64(hashed.substr(0, bar));
  const std::string expected = decode_base64(hashed.substr(bar + 1));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned length = 0;
  HMAC(EVP_sha1(), salt.data(), static_cast<int>(salt.size()),
       reinterpret_cast<const unsigned char*>(name.data()), name.size(), digest.data(), &length);
  return expected.size() == kDigestBytes && length == kDigestBytes &&
         std::memcmp(digest.data(), expected.data(), kDigestBytes) == 0;
}

bool is_plain(const std::string& names) {
  return !names.starts_with(kHashMark) && names.find_first_of("*?!") == std::string::npos;
}

ConfigurationError file_error(const std::string& what, const std::string& path) {
  return ConfigurationError(what + " known_hosts file '" + path + "': " + std::strerror(errno));
}

std::string read_all(const std::string& path) {
  std::string content;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return content;
  if (!fd) throw file_error("cannot read", path);
  std::array<char, 65536> part;
  for (ssize_t count; (count = ::read(fd.get(), part.data(), part.size())) != 0;) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw file_error("cannot read", path);
    content.append(part.data(), static_cast<size_t>(count));
  }
  return content;
}

}  // namespace

KnownHosts::KnownHosts(std::string path) : path_(std::move(path)) {
  read(read_all(path_));
}

void KnownHosts::read(const std::string& content) {
  lines_.clear();
  by_name_.clear();
  matched_one_by_one_.clear();
  size_ = static_cast<int64_t>(content.size());
  std::istringstream text(content);
  for (std::string raw; std::getline(text, raw);) {
    std::istringstream fields(raw);
    Line line;
    std::string first;
    if (!(fields >> first) || first.front() == '#' || first == "@cert-authority") continue;
    line.revoked = first == "@revoked";
    if (first.front() == '@' && !line.revoked) continue;
    line.names = first;
    if (line.revoked && !(fields >> line.names)) continue;
    if (fields >> line.type >> line.key) insert(std::move(line));
  }
}

void KnownHosts::insert(Line line) {
  const size_t index = lines_.size();
  if (!line.names.starts_with(kHashMark)) {
    std::transform(line.names.begin(), line.names.end(), line.names.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  }
  if (is_plain(line.names)) {
    std::istringstream names(line.names);
    for (std::string name; std::getline(names, name, ',');) by_name_.emplace(name, index);
  } else {
    matched_one_by_one_.push_back(index);
  }
  lines_.push_back(std::move(line));
}

std::vector<const KnownHosts::Line*> KnownHosts::lines_for(const std::string& name) const {
  std::vector<const Line*> found;
  const auto [begin, end] = by_name_.equal_range(name);
  for (auto place = begin; place != end; ++place) found.push_back(&lines_[place->second]);
  for (const size_t index : matched_one_by_one_) {
    const Line& line = lines_[index];
    const bool hashed = line.names.starts_with(kHashMark);
    if (hashed ? matches_hash(line.names, name) : matches_list(line.names, name)) found.push_back(&line);
  }
  return found;
}

KnownHosts::Verdict KnownHosts::check(const std::string& host, int port, const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return verdict(host, port, key);
}

KnownHosts::Verdict KnownHosts::verdict(const std::string& host, int port, const std::string& key) const {
  const auto best_of = [&](const std::vector<const Line*>& lines) {
    Verdict best = Verdict::kUnknown;
    for (const Line* line : lines) {
      if (line->revoked && line->key == key) return Verdict::kRevoked;
      if (line->revoked) continue;
      if (line->key == key) {
        best = Verdict::kTrusted;
      } else if (best == Verdict::kUnknown) {
        best = Verdict::kChanged;
      }
    }
    return best;
  };
  const Verdict named = best_of(lines_for(name_of(host, port)));
  if (port == 22 || named == Verdict::kRevoked) return named;
  const Verdict plain = best_of(lines_for(host));
  if (plain == Verdict::kRevoked) return plain;
  return named == Verdict::kUnknown && plain == Verdict::kTrusted ? plain : named;
}

std::vector<std::string> KnownHosts::key_types(const std::string& host, int port) const {
  const std::lock_guard lock(mutex_);
  std::vector<const Line*> lines = lines_for(name_of(host, port));
  if (lines.empty() && port != 22) lines = lines_for(host);
  std::vector<std::string> types;
  for (const Line* line : lines) {
    if (!line->revoked && std::find(types.begin(), types.end(), line->type) == types.end())
      types.push_back(line->type);
  }
  return types;
}

KnownHosts::Verdict KnownHosts::add(const std::string& host, int port, const std::string& type,
                                    const std::string& key) {
  const std::lock_guard lock(mutex_);
  const Line line{name_of(host, port), type, key};
  const UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd || ::flock(fd.get(), LOCK_EX) != 0) throw file_error("cannot write to", path_);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) throw file_error("cannot read", path_);
  if (status.st_size != size_) {  // somebody else has added to it
    std::string content(static_cast<size_t>(status.st_size), '\0');
    if (::pread(fd.get(), content.data(), content.size(), 0) != status.st_size)
      throw file_error("cannot read", path_);
    read(content);
  }
  if (const Verdict known = verdict(host, port, key); known != Verdict::kUnknown) return known;
  std::string text = line.names + " " + line.type + " " + line.key + "\n";
  char last = '\n';
  if (size_ > 0) (void)!::pread(fd.get(), &last, 1, size_ - 1);
  if (last != '\n') text.insert(text.begin(), '\n');  // an editor left it open
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw file_error("cannot write to", path_);
  }
  size_ += static_cast<int64_t>(text.size());
  insert(line);
  return Verdict::kTrusted;
}

}  // namespace headrace::collect
