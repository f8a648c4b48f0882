require ["mime", "foreverypart", "replace", "enclose"];
replace :mime :subject "x" "y";
replace :from "nobody" "y";
break;
foreverypart { foreverypart { foreverypart { foreverypart { foreverypart { keep; } } } } }
if header :type "content-type" "text" { keep; }
