require ["enclose", "editheader", "copy", "replace", "foreverypart", "mime"];
addheader "X-Before" "1";
foreverypart {
  if header :mime "x-part" "three" {
    replace :mime text:
X-Replaced: yes

.
;
  }
}
redirect :copy "carol@example.com";
enclose :subject "enclosed" "text";
