#include "headrace/collect/host_address.h"

#include <gtest/gtest.h>

namespace headrace::collect {

TEST(HostAddress, TakesNamesAddressesAndPorts) {
  const auto expect = [](const char* text, const char* host, int port, bool literal) {
    const HostAddress address = parse_host(text, 22);
    EXPECT_EQ(address.error, "") << text;
    EXPECT_EQ(address.host, host) << text;
    EXPECT_EQ(address.port, port) << text;
    EXPECT_EQ(address.literal, literal) << text;
  };
  expect("r1", "r1", 22, false);
  expect("R1.Example.net:2222", "r1.example.net", 2222, false);
  expect("core_1-a", "core_1-a", 22, false);
  expect("192.0.2.1", "192.0.2.1", 22, true);
  expect("192.0.2.1:830", "192.0.2.1", 830, true);
  expect("2001:DB8::1", "2001:db8::1", 22, true);
  expect("[2001:db8::1]", "2001:db8::1", 22, true);
  expect("[2001:db8::1]:2222", "2001:db8::1", 2222, true);
  expect("fe80::1%eth0", "fe80::1%eth0", 22, true);
}

TEST(HostAddress, NamesWhatIsWrong) {
  const auto error = [](const std::string& text) { return parse_host(text, 22).error; };
  EXPECT_EQ(error("300.1.2.3"), "'300.1.2.3' is not an IPv4 address");
  EXPECT_EQ(error("10.0.0"), "'10.0.0' is not an IPv4 address");
  EXPECT_EQ(error("r1:"), "'r1:' has no port between 1 and 65535 after the colon");
  EXPECT_EQ(error("r1:0"), "'r1:0' has no port between 1 and 65535 after the colon");
  EXPECT_EQ(error("r1:70000"), "'r1:70000' has no port between 1 and 65535 after the colon");
  EXPECT_EQ(error("r1:ssh"), "'r1:ssh' has no port between 1 and 65535 after the colon");
  EXPECT_EQ(error("[::1]x"), "'[::1]x' has no port between 1 and 65535 after the colon");
  for (const std::string text :
       {"", ":22", "a b", "-oProxyCommand=x", "r1;reboot", "a..b", ".a", "1:2:3", "[r1", "h\nh"}) {
    EXPECT_NE(error(text), "") << text;
  }
  EXPECT_NE(error(std::string("r1\0", 3)), "");
  EXPECT_NE(error(std::string(300, 'a')), "");
}

}  // namespace headrace::collect
