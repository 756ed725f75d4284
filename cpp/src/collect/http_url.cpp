#include "http_url.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>

namespace headrace::collect {

namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

}  // namespace

std::optional<HttpUrl> parse_http_url(const std::string& url) {
  if (url.find('\0') != std::string::npos) return std::nullopt;
  const std::unique_ptr<CURLU, FreeUrl> handle(curl_url());
  if (!handle ||
      curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return std::nullopt;
  }
  HttpUrl parsed;
  parsed.scheme = part(handle.get(), CURLUPART_SCHEME);
  parsed.host = part(handle.get(), CURLUPART_HOST);
  parsed.port = part(handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  parsed.has_credentials =
      !part(handle.get(), CURLUPART_USER).empty() || !part(handle.get(), CURLUPART_PASSWORD).empty();
  std::transform(parsed.host.begin(), parsed.host.end(), parsed.host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool is_http = parsed.scheme == "http" || parsed.scheme == "https";
  if (!is_http || parsed.host.empty()) return std::nullopt;
  return parsed;
}

bool same_place(const HttpUrl& from, const HttpUrl& to) {
  if (from.host != to.host) return false;
  if (from.scheme == to.scheme) return from.port == to.port;
  return from.scheme == "http" && from.port == "80" && to.port == "443";
}

}  // namespace headrace::collect
