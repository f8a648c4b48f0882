require ["foreverypart", "mime", "replace"];
foreverypart {
  if header :mime "x-part" "one" {
    replace :mime text:
Content-Type: text/plain

--b--
.
;
  }
}
