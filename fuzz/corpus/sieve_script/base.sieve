require ["fileinto", "reject"];
if anyof (header :contains "subject" ["a", "b"], not size :over 1K) {
	fileinto "x";
} elsif address :domain :is "from" "b.test" { discard; } else { keep; }
# end
/* really */ redirect text:
a@b.test
.
;
