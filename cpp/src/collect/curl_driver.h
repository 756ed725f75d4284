#pragma once

#include <curl/curl.h>

#include <memory>
#include <vector>

#include "reactor.h"

namespace headrace::collect {

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using EasyHandle = std::unique_ptr<CURL, FreeEasy>;

/// A transfer that a CurlDriver works on.
class Transfer {
 public:
  virtual void completed(CURLcode code) = 0;

 protected:
  ~Transfer() = default;
};

/// Drives libcurl's transfers from a reactor's loop. Lives longer than the reactor, so that connections are
/// kept.
class CurlDriver {
 public:
  explicit CurlDriver(int64_t connections_kept);
  ~CurlDriver();
  CurlDriver(const CurlDriver&) = delete;
  CurlDriver& operator=(const CurlDriver&) = delete;

  void attach(Reactor& reactor);
  /// No transfer may be left.
  void detach();

  /// A handle with default settings.
  EasyHandle take_handle();
  void give_back(EasyHandle handle);
  /// Begins a transfer. `transfer` is told when it has ended, unless it is removed before.
  void add(CURL* easy, Transfer* transfer);
  void remove(CURL* easy);

 private:
  class Events;

  CURLM* multi_;
  std::unique_ptr<Events> events_;  // while attached
  std::vector<EasyHandle> spare_;
};

}  // namespace headrace::collect
