#pragma once

#include <cstdint>
#include <string>

namespace headrace::collect {

/// What a target's text stands for: "r1", "192.0.2.1", "r1:2222", "[2001:db8::1]:22" or "2001:db8::1".
struct HostAddress {
  std::string host;  ///< lower case, without brackets; empty: the text is none of these, and `error` says why
  int port = 0;      ///< as given, or the default
  bool literal = false;  ///< an IP address: nothing to be looked up
  std::string error;
};

/// Never throws: a target that is no address has an outcome of its own.
HostAddress parse_host(const std::string& text, int default_port);

}  // namespace headrace::collect
