#include "curl_driver.h"

#include <sys/epoll.h>

#include <algorithm>
#include <mutex>
#include <unordered_set>

#include "headrace/base/error.h"

namespace headrace::collect {

namespace {

void initialise_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

uint32_t to_epoll(int what) {
  switch (what) {
    case CURL_POLL_IN:
      return EPOLLIN;
    case CURL_POLL_OUT:
      return EPOLLOUT;
    default:
      return EPOLLIN | EPOLLOUT;
  }
}

int to_curl(uint32_t events) {
  int bits = 0;
  if (events & (EPOLLIN | EPOLLHUP)) bits |= CURL_CSELECT_IN;
  if (events & EPOLLOUT) bits |= CURL_CSELECT_OUT;
  if (events & EPOLLERR) bits |= CURL_CSELECT_ERR;
  return bits;
}

}  // namespace

/// The descriptors and the timer that libcurl wants to have watched.
class CurlDriver::Events : public Alarm, public Loop::Handler {
 public:
  Events(CURLM* multi, Reactor& reactor) : Alarm(reactor), multi_(multi) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  }
  ~Events() override {
    // Closing kept connections later may call back once more: then there is nobody to be told.
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, nullptr);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, nullptr);
    for (const int fd : watched_) reactor_.loop.unwatch(fd);
  }

  void on_ready(int fd, uint32_t events) override { act(fd, to_curl(events)); }
  void ring() override { act(CURL_SOCKET_TIMEOUT, 0); }

 private:
  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
    return static_cast<Events*>(self)->watch(fd, what);
  }
  static int on_timer(CURLM*, long milliseconds, void* self) {
    auto& events = *static_cast<Events*>(self);
    events.disarm();
    if (milliseconds >= 0) events.arm(Clock::now() + std::chrono::milliseconds(milliseconds));
    return 0;
  }

  // No exception may pass through libcurl.
  int watch(int fd, int what) {
    if (what == CURL_POLL_REMOVE) {
      watched_.erase(fd);
      reactor_.loop.unwatch(fd);
      return 0;
    }
    try {
      if (watched_.insert(fd).second) {
        reactor_.loop.watch(fd, to_epoll(what), this);
      } else {
        reactor_.loop.change(fd, to_epoll(what), this);
      }
    } catch (const ResourceError&) {
      return -1;
    }
    return 0;
  }

  void act(curl_socket_t fd, int bits) {
    int running = 0;
    curl_multi_socket_action(multi_, fd, bits, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      char* transfer = nullptr;
      const CURLcode result = message->data.result;  // the message dies with remove()
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      reinterpret_cast<Transfer*>(transfer)->completed(result);
    }
  }

  CURLM* multi_;
  std::unordered_set<int> watched_;
};

CurlDriver::CurlDriver(int64_t connections_kept) {
  initialise_once();
  multi_ = curl_multi_init();
  if (multi_ == nullptr) throw ResourceError("no memory for HTTP transfers");
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS,
                    static_cast<long>(std::min<int64_t>(connections_kept, 1000)));
}

CurlDriver::~CurlDriver() {
  spare_.clear();
  curl_multi_cleanup(multi_);
}

void CurlDriver::attach(Reactor& reactor) {
  events_ = std::make_unique<Events>(multi_, reactor);
}

void CurlDriver::detach() {
  events_.reset();
}

EasyHandle CurlDriver::take_handle() {
  if (spare_.empty()) {
    EasyHandle easy(curl_easy_init());
    if (!easy) throw ResourceError("no memory for an HTTP transfer");
    return easy;
  }
  EasyHandle easy = std::move(spare_.back());
  spare_.pop_back();
  curl_easy_reset(easy.get());
  return easy;
}

void CurlDriver::give_back(EasyHandle handle) {
  spare_.push_back(std::move(handle));
}

void CurlDriver::add(CURL* easy, Transfer* transfer) {
  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
  curl_multi_add_handle(multi_, easy);
}

void CurlDriver::remove(CURL* easy) {
  curl_multi_remove_handle(multi_, easy);
}

}  // namespace headrace::collect
