#include "resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cstring>
#include <mutex>
#include <thread>

#include "headrace/base/error.h"
#include "signals.h"

namespace headrace::collect {

namespace {

constexpr int64_t kThreads = 16;

Resolved look_up(const std::string& host, int flags) {
  Resolved resolved;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  for (const addrinfo* entry = list; code == 0 && entry != nullptr; entry = entry->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
    resolved.addresses.push_back(address);
  }
  if (list != nullptr) ::freeaddrinfo(list);
  if (resolved.addresses.empty()) {
    resolved.error = "name '" + host + "' cannot be resolved: " + ::gai_strerror(code);
    resolved.temporary = code == EAI_AGAIN;
  }
  return resolved;
}

void set_port(SocketAddress& address, int port) {
  const auto number = htons(static_cast<uint16_t>(port));
  if (address.storage.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = number;
  } else {
    reinterpret_cast<sockaddr_in&>(address.storage).sin_port = number;
  }
}

}  // namespace

/// Where the threads put their answers; outlives the resolver when a look-up hangs.
class Resolver::Mailbox {
 public:
  Mailbox() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_)
      throw ResourceError("no descriptor left to resolve names with; raise the limit of open files");
  }
  int fd() const { return event_.get(); }

  void put(const std::string& host, Resolved resolved) {
    {
      const std::lock_guard lock(mutex_);
      answers_[host] = std::move(resolved);
    }
    const uint64_t one = 1;
    (void)!::write(event_.get(), &one, sizeof one);
  }
  std::map<std::string, Resolved> take() {
    uint64_t count = 0;  // read first: an answer that comes meanwhile wakes again
    (void)!::read(event_.get(), &count, sizeof count);
    const std::lock_guard lock(mutex_);
    return std::exchange(answers_, {});
  }

 private:
  UniqueFd event_;
  std::mutex mutex_;
  std::map<std::string, Resolved> answers_;
};

Resolver::Resolver(Reactor& reactor) : reactor_(reactor) {}

Resolver::~Resolver() {
  if (mailbox_) reactor_.loop.unwatch(mailbox_->fd());
}

void Resolver::resolve(const std::string& host, int port, const void* owner, Answer answer) {
  if (known_.find(host) == known_.end()) {
    Resolved literal = look_up(host, AI_NUMERICHOST);
    if (!literal.addresses.empty()) known_[host] = std::move(literal);
  }
  const bool is_new = open_.find(host) == open_.end();
  open_[host].push_back({owner, port, std::move(answer)});
  if (known_.find(host) != known_.end()) return answer_all(host);
  if (is_new) ask(host);
}

void Resolver::ask(const std::string& host) {
  if (!mailbox_) {
    mailbox_ = std::make_shared<Mailbox>();
    reactor_.loop.watch(mailbox_->fd(), EPOLLIN, this);
  }
  if (running_ == kThreads) {
    queue_.push_back(host);
    return;
  }
  ++running_;
  const BlockSignals blocked;
  std::thread([mailbox = mailbox_, host] { mailbox->put(host, look_up(host, 0)); }).detach();
}

void Resolver::on_ready(int fd, uint32_t events) {
  for (auto& [host, resolved] : mailbox_->take()) {
    --running_;
    known_[host] = std::move(resolved);
    answer_all(host);
  }
  while (!queue_.empty() && running_ < kThreads) {
    const std::string host = std::move(queue_.back());
    queue_.pop_back();
    ask(host);
  }
}

void Resolver::answer_all(const std::string& host) {
  const auto questions = std::move(open_[host]);
  open_.erase(host);
  const Resolved found = known_[host];
  if (found.temporary) known_.erase(host);  // a retry shall ask again
  for (const Question& question : questions) {
    Resolved resolved = found;
    for (SocketAddress& address : resolved.addresses) set_port(address, question.port);
    question.answer(resolved);
  }
}

void Resolver::forget(const void* owner) {
  for (auto& [host, questions] : open_) {
    std::erase_if(questions, [owner](const Question& question) { return question.owner == owner; });
  }
}

}  // namespace headrace::collect
