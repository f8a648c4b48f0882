require ["variables", "vacation", "regex", "date", "imap4flags", "include", "editheader", "ihave", "enotify", "encoded-character"];
set :upper :length "a" "${b}${1}${hex: 41}"; vacation :days 3 :addresses ["a@b.test"] "x";
if header :regex "a" "^[[:digit:]x]+(a|b)$" {}
if currentdate :zone "+0100" "date" "x" {} setflag "v" ["\\Seen"]; if ihave "x" { y; } include :once "a"; global "g"; notify "mailto:a@b.test";
