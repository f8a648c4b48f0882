if header [] "a {
keep ]; require 3;;
} :x 3G "a\"b" text:x
