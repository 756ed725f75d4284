#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "headrace/base/cancel.h"
#include "headrace/collect/policy.h"
#include "headrace/collect/sink.h"
#include "headrace/collect/stream.h"

namespace headrace::collect {

struct HttpOptions : Limits {
  HttpOptions() { workers = 32; }

  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::string> body;
  double rate = 0;              ///< requests a second to one host; 0: no limit
  int64_t burst = 1;            ///< how many requests a host that was left alone gets at once
  double max_retry_after = 60;  ///< seconds; a server that asks for a longer pause is not asked again
  std::string ca_file;          ///< PEM file of the authorities to trust; empty: the system's
};

class HttpShared;

/// Sends one request to each of many URLs (http and https) in parallel, over connections that are kept alive,
/// also from one call to the next.
///
/// `ok` means a 2xx status and a whole body. 401 and 407 are `auth`, a certificate that cannot be trusted
/// `host_key`, other statuses `exit`. Retried are failures to connect, a lost connection, time-outs and the
/// statuses 408, 425, 429, 500, 502, 503 and 504; where a repetition might do something twice (POST, PATCH),
/// only what the server has surely not begun: failures to connect, 429, and 503 with Retry-After. Retry-After
/// (seconds or a date) holds back all requests to that host. Redirects are followed (GET, HEAD), but never to
/// another host with headers that were given or with credentials in the URL.
///
/// May be used from many threads.
class HttpCollector {
 public:
  /// Throws ConfigurationError, naming the field.
  explicit HttpCollector(HttpOptions options);

  Outcome run(const std::string& url, const CancelToken& cancel = {}) const;
  void collect(const std::vector<std::string>& urls, OutcomeSink& sink, const CancelToken& cancel = {}) const;
  std::unique_ptr<OutcomeStream> stream(std::vector<std::string> urls, int64_t capacity) const;

 private:
  std::shared_ptr<HttpShared> shared_;  // also held by streams: connections, request, rate limits
};

}  // namespace headrace::collect
