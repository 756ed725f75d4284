#include "headrace/collect/host_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "text_line.h"

namespace headrace::collect {

namespace {

constexpr size_t kLongestName = 253;

bool is_ipv4(const std::string& host) {
  in_addr address;
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

// With or without a zone ("fe80::1%eth0").
bool is_ipv6(const std::string& host) {
  in6_addr address;
  return ::inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), &address) == 1;
}

bool is_name(const std::string& host) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '_'; };
  return host.size() <= kLongestName && host.front() != '-' && host.front() != '.' &&
         host.find("..") == std::string::npos && std::all_of(host.begin(), host.end(), fits);
}

bool looks_like_ipv4(const std::string& host) {
  return std::all_of(host.begin(), host.end(), [](unsigned char c) { return std::isdigit(c) || c == '.'; });
}

int parse_port(const std::string& text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && port >= 1 && port <= 65535 ? port : -1;
}

// Splits off ":port"; a bare IPv6 address has more than one colon and no port.
void split(const std::string& text, std::string& host, std::string& port) {
  const size_t bracket = text.find(']');
  if (text.starts_with('[') && bracket != std::string::npos) {
    host = text.substr(1, bracket - 1);
    port = text.substr(bracket + 1);
    return;
  }
  const size_t colon = text.find(':');
  const bool one_colon = colon != std::string::npos && text.find(':', colon + 1) == std::string::npos;
  host = text.substr(0, one_colon ? colon : std::string::npos);
  port = one_colon ? text.substr(colon) : "";
}

HostAddress refused(const std::string& text, const std::string& why) {
  HostAddress address;
  address.error = "'" + one_line(text) + "' " + why;
  return address;
}

}  // namespace

HostAddress parse_host(const std::string& text, int default_port) {
  HostAddress address;
  std::string port;
  split(text, address.host, port);
  address.port = default_port;
  if (!port.empty()) address.port = port.front() == ':' ? parse_port(port.substr(1)) : -1;
  if (address.port < 1) return refused(text, "has no port between 1 and 65535 after the colon");
  std::transform(address.host.begin(), address.host.end(), address.host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (address.host.empty()) return refused(text, "is not a host: give a name, an address or name:port");
  address.literal = is_ipv4(address.host) || is_ipv6(address.host);
  if (address.literal) return address;
  if (looks_like_ipv4(address.host)) return refused(text, "is not an IPv4 address");
  if (!is_name(address.host)) return refused(text, "is not a host: give a name, an address or name:port");
  return address;
}

}  // namespace headrace::collect
