// A routing registry that knows every AS number, at the cost of a few system calls: irr_farm. Prints the
// address that it listens on, and speaks of IRRd's protocol what bgpq4 asks about an AS number. Ends with its
// standard input.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

constexpr int kThreads = 64;

std::string prefixes(bool is_v6, int number) {
  char text[128];
  if (is_v6) {
    std::snprintf(text, sizeof text, "2a00:%x::/32", static_cast<unsigned>(number));
    return text;
  }
  std::string all;
  for (int i = 0; i < 8; ++i) {
    std::snprintf(text, sizeof text, "%s%d.%d.%d.0/24", i == 0 ? "" : " ", 11 + number % 80,
                  number / 80 % 250, i);
    all += text;
  }
  return all;
}

std::string answer(const std::string& query) {
  const bool is_v4 = query.starts_with("!gas") || query.starts_with("!gAS");
  const bool is_v6 = query.starts_with("!6as") || query.starts_with("!6AS");
  if (query == "!!" || query == "!q") return "";
  if (!is_v4 && !is_v6) return "C\n";
  const std::string text = prefixes(is_v6, std::atoi(query.c_str() + 4)) + "\n";
  return "A" + std::to_string(text.size()) + "\n" + text + "C\n";
}

void serve(int connection) {
  std::string left;
  char part[4096];
  for (ssize_t count; (count = ::recv(connection, part, sizeof part, 0)) > 0;) {
    left.append(part, static_cast<size_t>(count));
    std::string answers;
    bool ends = false;
    for (size_t end; (end = left.find('\n')) != std::string::npos; left.erase(0, end + 1)) {
      answers += answer(left.substr(0, end));
      ends = ends || left.starts_with("!q");
    }
    if (!answers.empty() && ::send(connection, answers.data(), answers.size(), MSG_NOSIGNAL) < 0) break;
    if (ends) break;
  }
  ::close(connection);
}

void accept_all(int listener) {
  for (;;) {
    const int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) serve(connection);
  }
}

}  // namespace

int main() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&name), size) != 0 || ::listen(listener, 512) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    std::perror("irr_farm: cannot listen");
    return 1;
  }
  for (int i = 0; i < kThreads; ++i) std::thread(accept_all, listener).detach();
  std::printf("127.0.0.1:%d\n", ntohs(name.sin_port));
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  std::_Exit(0);  // the threads wait for connections that nobody will make
}
