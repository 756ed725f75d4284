#pragma once

#include <optional>
#include <string>

namespace headrace::collect {

/// What of a URL decides whom a request goes to.
struct HttpUrl {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< lower case
  std::string port;    ///< given or default
  bool has_credentials = false;

  /// "host:port": whose rate is limited.
  std::string authority() const { return host + ":" + port; }
};

/// Nothing: `url` is no URL of http or https.
std::optional<HttpUrl> parse_http_url(const std::string& url);

/// Whether headers meant for `from` may be sent to `to`: the same place, or the same host by TLS from now on.
bool same_place(const HttpUrl& from, const HttpUrl& to);

}  // namespace headrace::collect
