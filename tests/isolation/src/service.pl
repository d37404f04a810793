# Needs no build: it registers over gRPC-Web, by hand, and lets every caller wait.
use strict;
use IO::Socket::INET;

$| = 1;
my $door = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port", Listen => 5) or die "listening: $@";
my $proxy = IO::Socket::INET->new(PeerAddr => $ENV{MICRO_PROXY}) or die "no proxy: $@";
print $proxy "POST /registry.Registry/Register HTTP/1.1\r\nhost: micro\r\ncontent-type: application/grpc-web+proto\r\n";
print $proxy "content-length: ", length $body, "\r\n\r\n", $body;
print "$log $ENV{CANARY} ", scalar <$proxy>;
my @callers;
while (my $caller = $door->accept) { push @callers, $caller }
